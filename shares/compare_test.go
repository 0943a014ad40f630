package shares

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/rules"
)

func TestMain(m *testing.M) { leak.Main(m) }

func load(t testing.TB, src string) *rules.Table {
	t.Helper()
	table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
	if table == nil {
		t.Fatal(problems.Err(), src)
	}
	return table
}

// rule returns a rules file with one rule, with fields beside its tag header and key.
func rule(fields string) string {
	return "rules:\n- {name: r, header: x-user-id, tagHeader: x-tag, " + fields + "}\n"
}

const (
	twenty  = "policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]"
	quarter = "policies: [{range: 25, tagValue: s2}, {range: 100, tagValue: s1}]"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, before, after string
		moving, leaving     string // of s2
		method              Method
	}{
		{"a range is raised", rule(twenty), rule(quarter), "5%", "0%", ByBuckets},
		{"a range is lowered", rule(quarter), rule(twenty), "5%", "5%", ByBuckets},
		{"nothing", rule(twenty), rule(twenty), "0%", "0%", ByBuckets},
		{"a finer modulo", rule(twenty), rule("modulo: 1000, policies: [{range: 200, tagValue: s2}, {range: 1000, tagValue: s1}]"), "32%", "16%", ByBuckets},
		{"another hash", rule(twenty), rule("hash: xxh3, " + twenty), "32%", "16%", ByIndependent},
		{"another salt", rule("hash: xxh3, " + twenty), rule("hash: xxh3, salt: a, " + quarter), "35%", "15%", ByIndependent},
		{"promoted", rule(twenty), rule("policies: [{range: 100, tagValue: s2}]"), "80%", "0%", ByConstant},
		{"no rule", rule(twenty), "rules: []", "100%", "20%", ByConstant},
		{"shadow", rule(twenty), rule("mode: shadow, " + twenty), "100%", "20%", ByConstant},
		{"two headers, the same users", lanes(10), lanes(30), "20%", "0%", ByBuckets},
		{"two headers, no rule", lanes(10), "rules: []", "10%", "10%", ByConstant},
		{"two headers, other buckets", lanes(10), strings.Replace(lanes(30), "a, p", "a, modulo: 1000, p", 1), "at most 31%", "9%", ByBuckets},
		{"two headers, buckets that overlap", strings.Replace(lanes(20), "20", "10", 1), strings.Replace(lanes(40), "40", "30", 1), "30%", "0%", ByBuckets},
		{"two rules, unlike shares", hosts(20, 30), hosts(25, 50), "at most 20%", "0%", ByBuckets},
		{"two rules, like shares", hosts(20, 30), hosts(15, 25), "5%", "5%", ByBuckets},
		{"another key", rule(twenty), strings.Replace(rule(twenty), "header: x-user-id", "keys: [{cookie: uid}, {header: x-user-id}]", 1), "at most 100%", "at most 20%", ByBound},
		{"an override of one key", bothKeys(""), bothKeys("overrides: [{key: {cookie: uid}, values: [jack], none: true}], "), "0%, and 1 named user", "0%, and 1 named user", ByBuckets},
		{"a name", rule(twenty), rule("overrides: [{values: [jessie], tagValue: s1}, {values: [jack], tagValue: s1}], " + twenty), "0%, and 2 named users", "0%, and 2 named users", ByBuckets},
	} {
		d := Compare(load(t, tt.before), load(t, tt.after), Options{})
		if got := d.Moving().String(); got != tt.moving {
			t.Errorf("%s: moving %s, want %s", tt.name, got, tt.moving)
		}
		if got := d.Leaving("s2").String(); got != tt.leaving {
			t.Errorf("%s: leaving s2 %s, want %s", tt.name, got, tt.leaving)
		}
		if got := d.Comparisons[0].Method; got != tt.method {
			t.Errorf("%s: the method is %s, want %s", tt.name, got, tt.method)
		}
	}
}

func lanes(percent int) string {
	return fmt.Sprintf(`rules:
- {header: x-user-id, tagHeader: appver-a, policies: [{range: %d, tagValue: s2}]}
- {header: x-user-id, tagHeader: appver-b, policies: [{range: %[1]d, tagValue: s2}]}
`, percent)
}

// hosts returns two rules of one tag header for different hosts.
func hosts(a, b int) string {
	return fmt.Sprintf(`rules:
- {match: {hosts: [a.example.com]}, header: x-user-id, tagHeader: x-tag, policies: [{range: %d, tagValue: s2}]}
- {match: {hosts: [b.example.com]}, header: x-user-id, tagHeader: x-tag, policies: [{range: %d, tagValue: s2}]}
`, a, b)
}

// bothKeys returns a rule with two keys, and fields.
func bothKeys(fields string) string {
	return "rules:\n- {name: r, keys: [{header: x-user-id}, {cookie: uid}], tagHeader: x-tag, " + fields + twenty + "}\n"
}

// TestNothing checks that no table is one that gives no tag.
func TestNothing(t *testing.T) {
	t.Parallel()
	table := load(t, rule(twenty))
	for _, tt := range []struct {
		before, after *rules.Table
		want          string
	}{{nil, table, "100% of users"}, {table, nil, "100% of users"}, {nil, nil, "nobody"}} {
		d := Compare(tt.before, tt.after, Options{At: time.Now(), Next: true})
		if got := d.Moving().Users(); got != tt.want {
			t.Errorf("moving %s, want %s", got, tt.want)
		}
		var text strings.Builder
		if err := WriteText(terminal.New(&text), d); err != nil || text.Len() == 0 {
			t.Errorf("WriteText: %v, %q", err, text.String())
		}
	}
}

// TestNamed checks whose override counts for which key.
func TestNamed(t *testing.T) {
	t.Parallel()
	d := Compare(load(t, bothKeys("")), load(t, bothKeys("overrides: [{key: {cookie: uid}, values: [jack], none: true}], ")), Options{})
	for _, c := range d.Comparisons {
		if want := map[string]int{"cookie uid": 1, "header x-user-id": 0}[c.After.Key]; len(c.Named) != want {
			t.Errorf("by %s: %v, want %d users", c.After.Key, c.Named, want)
		}
	}
}
