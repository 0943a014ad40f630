package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const twoRules = `
tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
rules:
- name: checkout
  header: x-user-id
  tagHeader: x-asm-prefer-tag
  overrides: [{values: [jason, bob], tagValue: s2}]
  policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]
` + search + trial

const (
	search = "- {name: search, header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 10, tagValue: s3}]}\n"
	trial  = "- {name: trial, header: x-user-id, tagHeader: appver-a, mode: shadow, policies: [{range: 10, tagValue: v2}]}\n"
)

func TestChanges(t *testing.T) {
	edit := func(pairs ...string) string {
		edited := twoRules
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(edited, pairs[i]) {
				t.Fatalf("there is no %q to edit", pairs[i])
			}
			edited = strings.Replace(edited, pairs[i], pairs[i+1], 1)
		}
		return edited
	}
	for _, tt := range []struct {
		name, after string
		want        []string
	}{
		{"nothing", twoRules, nil},
		{"a comment", edit("rules:", "rules: # all of them"), nil},
		{"a rollout", edit("range: 20", "range: 50"), []string{
			"rule checkout: s2 takes buckets 0 to 19 → 0 to 49",
			"rule checkout: s1 takes buckets 20 to 99 → 50 to 99",
		}},
		{"a rollback", edit("range: 20", "range: 0"), []string{
			"rule checkout: s1 takes buckets 20 to 99 → 0 to 99",
			"rule checkout: s2 takes buckets 0 to 19 → none",
		}},
		{"a tag in two places", edit("[{range: 10, tagValue: s3}]", "[{range: 10, tagValue: s3}, {range: 20, tagValue: s4}, {range: 30, tagValue: s3}]"), []string{
			"rule search: s3 takes buckets 0 to 9 → 0 to 9, 20 to 29",
			"rule search: s4 takes buckets none → 10 to 19",
		}},
		{"another tag", edit("tagValue: s3", "tagValue: s4"), []string{
			"rule search: s4 takes buckets none → 0 to 9",
			"rule search: s3 takes buckets 0 to 9 → none",
		}},
		{"named users", edit("[{values: [jason, bob], tagValue: s2}]", "[{values: [stacy, jason, vance], tagValue: s2}, {values: [bob], none: true}]"), []string{
			"rule checkout: users named for no tag: 1 added, 0 removed",
			"rule checkout: users named for s2: 2 added, 1 removed",
		}},
		{"a mode", edit("mode: shadow", "mode: enforce"), []string{"rule trial: mode shadow → enforce"}},
		{"a key", edit("name: trial, header: x-user-id", "name: trial, header: X-Account"), []string{
			"rule trial: key header x-user-id → header x-account (users change buckets)",
		}},
		{"a hash and a salt", edit("name: trial,", "name: trial, hash: xxh3, salt: spring,"), []string{
			"rule trial: hash fnv1a32 → xxh3 (users change buckets)",
			"rule trial: salt none → spring (users change buckets)",
		}},
		{"a modulo", edit("name: trial,", "name: trial, modulo: 1000,"), []string{"rule trial: modulo 100 → 1000 (users change buckets)"}},
		{"a tag header", edit("appver-a", "appver-b"), []string{"rule trial: tagHeader appver-a → appver-b"}},
		{"owned headers", edit("headers: [x-asm-prefer-tag], headerPrefixes: [appver]", "headers: [x-asm-prefer-tag, x-lane], headerPrefixes: [appver-]"), []string{
			"tag header x-lane is owned now",
			"tag header appver-* is owned now",
			"tag header appver* is not owned any more",
		}},
		{"propagation", "propagation: {headers: [X-Asm-Prefer-Tag], headerPrefixes: [appver-, other]}" + twoRules, []string{
			"tag header x-asm-prefer-tag travels as baggage now",
			"tag header appver-* travels as baggage now",
		}},
		{"propagation of nothing", "propagation: {headers: [other]}" + twoRules, nil},
		{"trust", "trustClientTags: true" + twoRules, []string{"trustClientTags false → true"}},
		{"an order that decides", edit(search, "", "rules:\n", "rules:\n"+search), []string{
			"rules of x-asm-prefer-tag decide in another order: checkout, search → search, checkout",
		}},
		{"an order that does not", edit(trial, "", "rules:\n", "rules:\n"+trial), []string{"rules stand in another order, which changes no decision"}},
		{"an order of two rules, and one is off", edit(search, "", "rules:\n", "rules:\n"+strings.Replace(search, "header:", "mode: off, header:", 1)), []string{
			"rules stand in another order, which changes no decision",
			"rule search: mode enforce → off",
		}},
		{"a new rule", twoRules + "- {name: new, header: x-user-id, hash: xxh3, salt: spring, modulo: 50, mode: off, tagHeader: appver-a, overrides: [{values: [bob], none: true}], policies: [{range: 0, tagValue: v2}]}\n", []string{
			`rule new added: header x-user-id, hash xxh3 with salt "spring", modulo 50, mode off → appver-a: no policy takes a bucket; users named: 1`,
		}},
		{"a new rule that comes first", edit("rules:\n", "rules:\n- {name: new, header: x-account, tagHeader: x-asm-prefer-tag, policies: [{range: 5, tagValue: s4}, {range: 9, tagValue: s5}]}\n"), []string{
			"rule new added: header x-account → x-asm-prefer-tag: s4 takes buckets 0 to 4; s5 takes buckets 5 to 8; decides before rule checkout",
		}},
		{"a rule less", edit(search, ""), []string{"rule search removed: header x-user-id → x-asm-prefer-tag: s3 takes buckets 0 to 9"}},
		{"a rule renamed", edit("name: search", "name: find"), []string{
			"rule find added: header x-user-id → x-asm-prefer-tag: s3 takes buckets 0 to 9",
			"rule search removed: header x-user-id → x-asm-prefer-tag: s3 takes buckets 0 to 9",
		}},
		{"no rules", strings.Split(twoRules, "rules:")[0] + "rules: []", []string{
			"rule checkout removed: header x-user-id → x-asm-prefer-tag: s2 takes buckets 0 to 19; s1 takes buckets 20 to 99; users named: 2",
			"rule search removed: header x-user-id → x-asm-prefer-tag: s3 takes buckets 0 to 9",
			"rule trial removed: header x-user-id, mode shadow → appver-a: v2 takes buckets 0 to 9",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, texts(Changes(mustLoad(t, twoRules), mustLoad(t, tt.after), time.Time{}))); diff != "" {
				t.Errorf("Changes (-want +got):\n%s", diff)
			}
		})
	}
}

func texts(cs []Change) (texts []string) {
	for _, c := range cs {
		texts = append(texts, c.String())
	}
	return texts
}

// TestChangesOfNothing checks that no table is a table that owns and decides
// nothing.
func TestChangesOfNothing(t *testing.T) {
	table := mustLoad(t, oneRule)
	want := []string{
		"tag header x-asm-prefer-tag is owned now",
		"rule x-asm-prefer-tag added: header x-user-id → x-asm-prefer-tag: s2 takes buckets 0 to 19; s1 takes buckets 20 to 99",
	}
	if diff := cmp.Diff(want, texts(Changes(nil, table, time.Time{}))); diff != "" {
		t.Errorf("Changes(nil, table) (-want +got):\n%s", diff)
	}
	want = []string{
		"tag header x-asm-prefer-tag is not owned any more",
		"rule x-asm-prefer-tag removed: header x-user-id → x-asm-prefer-tag: s2 takes buckets 0 to 19; s1 takes buckets 20 to 99",
	}
	if diff := cmp.Diff(want, texts(Changes(table, nil, time.Time{}))); diff != "" {
		t.Errorf("Changes(table, nil) (-want +got):\n%s", diff)
	}
	if cs := Changes(nil, nil, time.Time{}); cs != nil {
		t.Errorf("Changes(nil, nil) = %v, want none", cs)
	}
}

// TestChangeJSON holds the form that scripts read.
func TestChangeJSON(t *testing.T) {
	after := strings.NewReplacer("range: 20", "range: 50", "[jason, bob]", "[stacy, jason]", "mode: shadow", "mode: shadow, hash: xxh3").Replace(twoRules)
	var got strings.Builder
	for _, c := range Changes(mustLoad(t, twoRules), mustLoad(t, after), time.Time{}) {
		line, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s\n", line)
	}
	want := `{"kind":"overrides","rule":"checkout","tagHeader":"x-asm-prefer-tag","tagValue":"s2","named":["stacy"],"unnamed":["bob"]}
{"kind":"range","rule":"checkout","before":"0 to 19","after":"0 to 49","tagHeader":"x-asm-prefer-tag","tagValue":"s2"}
{"kind":"range","rule":"checkout","before":"20 to 99","after":"50 to 99","tagHeader":"x-asm-prefer-tag","tagValue":"s1"}
{"kind":"hash","rule":"trial","before":"fnv1a32","after":"xxh3","movesUsers":true}
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("as JSON (-want +got):\n%s", diff)
	}
}

// TestChangesAndDigest checks that there are changes exactly where digests differ.
func TestChangesAndDigest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		first := drawFile(rt)
		second := first
		second.rules = slices.Clone(first.rules)
		i := rapid.IntRange(0, len(first.rules)-1).Draw(rt, "edited rule")
		j := rapid.IntRange(0, len(first.rules)-1).Draw(rt, "another rule")
		r := &second.rules[i]
		switch other := drawRule(rt, r.name); rapid.IntRange(0, 13).Draw(rt, "edit") {
		case 0:
			second = drawFile(rt)
		case 1:
			second.trust = !first.trust
		case 2:
			second.owned = drawOwned(rt)
		case 3:
			second.rules[i], second.rules[j] = second.rules[j], second.rules[i]
		case 4:
			r.keys = other.keys
		case 5:
			r.tagHeader = other.tagHeader
		case 6:
			r.modulo = other.modulo
		case 7:
			r.hash = other.hash
		case 8:
			r.mode = other.mode
		case 9:
			r.overrides = other.overrides
		case 10:
			r.policies = other.policies
		case 11:
			second.rules = slices.Delete(second.rules, i, i+1)
		case 13:
			r.match = other.match
		case 12:
			second.propagated = drawPropagated(rt)
		}
		second.writing = drawWriting(rt)
		tables := [2]*Table{}
		for i, src := range []string{first.String(), second.String()} {
			table, problems := Load("r.yaml", []byte(src), Options{})
			if table == nil {
				rt.Fatalf("Load: %v\n%s", problems.Err(), src)
			}
			tables[i] = table
			if cs := Changes(table, table, time.Time{}); cs != nil {
				rt.Fatalf("Changes of a table and itself = %v\n%s", cs, src)
			}
		}
		cs, back := Changes(tables[0], tables[1], time.Time{}), Changes(tables[1], tables[0], time.Time{})
		same := tables[0].Digest() == tables[1].Digest()
		if (len(cs) == 0) != same || (len(back) == 0) != same {
			rt.Fatalf("digests %s and %s with the changes\n%s\nand back\n%s\nof\n%s\nand\n%s",
				tables[0].Digest(), tables[1].Digest(), strings.Join(texts(cs), "\n"), strings.Join(texts(back), "\n"), first, second)
		}
		for _, c := range append(cs, back...) {
			if text := c.String(); strings.Contains(text, "\n") || strings.Contains(text, "id-") || c.Kind == "" {
				rt.Fatalf("change %+v is written as %q", c, text)
			}
		}
	})
}

// A drawnFile is a rules file of few possible values, so that two are often
// alike.
type drawnFile struct {
	trust      bool
	owned      string
	propagated string
	rules      []drawnRule
	writing    int // one of several ways to write the same
}

type drawnRule struct {
	name, keys, match, tagHeader, modulo, hash, mode, overrides string
	policies                                                    []string
}

func drawFile(t *rapid.T) drawnFile {
	f := drawnFile{trust: rapid.Bool().Draw(t, "trust"), owned: drawOwned(t), propagated: drawPropagated(t), writing: drawWriting(t)}
	names := rapid.Permutation([]string{"a", "b", "c", "d"}).Draw(t, "names")
	for _, name := range names[:rapid.IntRange(1, len(names)).Draw(t, "rules")] {
		f.rules = append(f.rules, drawRule(t, name))
	}
	return f
}

func drawOwned(t *rapid.T) string {
	return rapid.SampledFrom([]string{"headers: [tag-a, tag-b]", "headerPrefixes: [tag-]", "headerPrefixes: [tag-, x-tag-]"}).Draw(t, "owned")
}

func drawPropagated(t *rapid.T) string {
	return rapid.SampledFrom([]string{"headers: [none]", "headers: [tag-a]", "headers: [tag-a, TAG-B]", "headerPrefixes: [tag-]", "headerPrefixes: [t]", "headerPrefixes: [x-]"}).Draw(t, "propagated")
}

func drawWriting(t *rapid.T) int { return rapid.IntRange(0, 3).Draw(t, "writing") }

func drawRule(t *rapid.T, name string) drawnRule {
	of := func(what string, values ...string) string { return rapid.SampledFrom(values).Draw(t, what) }
	r := drawnRule{
		name:      name,
		keys:      of("keys", "header: x-user-id", "header: x-device-id", "keys: [{header: x-user-id}, {cookie: uid}]", "keys: [{cookie: uid}, {visitor: {cookie: v}}]", "keys: [{query: uid}]"),
		match:     of("match", "", "hosts: [a.b]", "hosts: [a.b], paths: [{prefix: /}]", "paths: [{exact: /}]", "headers: [{name: c, exact: d}]", "headers: [{name: c, present: true}]"),
		tagHeader: of("tagHeader", "tag-a", "tag-b"),
		modulo:    of("modulo", "50", "100"),
		hash:      of("hash", "fnv1a32", "xxh3", "xxh3, salt: s", "xxh3, salt: t"),
		mode:      of("mode", "enforce", "shadow", "off"),
		overrides: of("overrides", "", "{values: [id-1, id-2], tagValue: v2}", "{values: [id-2], none: true}, {values: [id-1], tagValue: v2}"),
	}
	for range rapid.IntRange(1, 4).Draw(t, "policies") {
		reach := "range: " + of("range", "0", "10", "20", "50")
		switch of("reach", "", "", "from", "ramp", "ramp") {
		case "from":
			reach = "from: 10, " + reach
		case "ramp":
			reach = "allowDecrease: true, ramp: [{at: 2026-12-0" + of("first", "1", "2") + "T08:00:00Z, " + reach + "}, {at: 2026-12-0" + of("second", "3", "4") + "T08:00:00Z, range: " + of("last range", "0", "20", "50") + "}]"
		}
		r.policies = append(r.policies, fmt.Sprintf("{%s, tagValue: v%s}", reach, of("tag", "1", "2", "3")))
	}
	return r
}

func (f drawnFile) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tagHeaders: {%s}\npropagation: {%s}\ntrustClientTags: %v\nrules:\n", f.owned, f.propagated, f.trust)
	if len(f.rules) == 0 {
		b.WriteString("  []\n")
	}
	for _, r := range f.rules {
		keys, policies := r.keys, strings.Join(r.policies, ", ")
		switch f.writing {
		case 1:
			keys = strings.NewReplacer("x-user-id", "X-User-ID", "header: x-device-id", "keys: [{header: x-device-id}]").Replace(keys)
		case 2:
			policies += ", {range: 0, tagValue: v9}"
		case 3:
			keys += " # a comment\n "
		}
		if r.match != "" {
			keys = "match: {" + r.match + "}, " + keys
		}
		fmt.Fprintf(&b, "- {name: %s, %s, tagHeader: %s, modulo: %s, hash: %s, mode: %s, overrides: [%s], policies: [%s]}\n",
			r.name, keys, r.tagHeader, r.modulo, r.hash, r.mode, r.overrides, policies)
	}
	return b.String()
}

// TestMatchText checks that no change and no text of a match has the id of a user, and that
// other values stay: a header with a key, or a cookie header with one, may have ids.
func TestMatchText(t *testing.T) {
	t.Parallel()
	const id = "fridakahlo"
	rule := func(name, key, headers string) string {
		return "- {name: " + name + ", keys: [{" + key + "}], tagHeader: tag, match: {headers: [" + headers + "]}, policies: [{range: 20, tagValue: s2}]}\n"
	}
	user, beta := "{name: X-User-Id, exact: "+id+"}, ", "{name: x-beta, exact: '1'}"
	for name, tt := range map[string]struct{ before, after, want string }{
		"added":       {"", rule("a", "header: x-user-id", user+beta), `rule a added: header x-user-id, match header x-user-id = …, header x-beta = "1" → tag: s2 takes buckets 0 to 19`},
		"removed":     {rule("a", "header: x-user-id", user+beta), "", `rule a removed: header x-user-id, match header x-user-id = …, header x-beta = "1" → tag: s2 takes buckets 0 to 19`},
		"edited":      {rule("a", "header: x-user-id", user+beta), rule("a", "header: x-user-id", strings.Replace(user, id, id+"2", 1)+beta), `rule a: match header x-user-id = …, header x-beta = "1" → header x-user-id = …, header x-beta = "1"`},
		"a cookie":    {rule("a", "cookie: uid", beta), rule("a", "cookie: uid", "{name: cookie, exact: uid="+id+"}"), `rule a: match header x-beta = "1" → header cookie = …`},
		"of another":  {rule("a", "cookie: uid", beta) + rule("b", "header: x-user-id", beta), rule("a", "cookie: uid", user+beta) + rule("b", "header: x-user-id", beta), `rule a: match header x-beta = "1" → header x-user-id = …, header x-beta = "1"`},
		"of a former": {rule("a", "header: x-user-id", beta), rule("a", "cookie: uid", user+beta), `rule a: match header x-beta = "1" → header x-user-id = …, header x-beta = "1"`},
	} {
		load := func(src string) *Table {
			if src == "" {
				return nil
			}
			table, problems := Load("rules.yaml", []byte("rules:\n"+src), Options{})
			if table == nil {
				t.Fatal(problems.Err())
			}
			return table
		}
		var got []string
		for _, c := range Changes(load(tt.before), load(tt.after), time.Time{}) {
			got = append(got, c.String())
			if strings.Contains(c.String()+c.Before+c.After, id) {
				t.Errorf("%s: the change has the id of a user: %s", name, c)
			}
		}
		if !slices.Contains(got, tt.want) {
			t.Errorf("%s: the changes are %q, want %q", name, got, tt.want)
		}
	}
}
