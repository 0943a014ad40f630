package shares

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPopulations checks which rule and key follow which. Rules are "name: match: keys".
func TestPopulations(t *testing.T) {
	t.Parallel()
	const (
		hostA, hostB, hostAB, wild = "hosts: [a.example.com]", "hosts: [b.example.com]", "hosts: [a.example.com, b.example.com]", `hosts: ["*.example.com"]`
		shop, cart, root           = "paths: [{prefix: /shop}]", "paths: [{exact: /shop/cart}]", "paths: [{exact: /}]"
		beta, noBeta, betaOne      = "headers: [{name: x-beta, present: true}]", "headers: [{name: x-beta, present: false}]", `headers: [{name: x-beta, exact: "1"}]`
		header, cookie, both       = "[{header: x-user-id}]", "[{cookie: uid}]", "[{header: x-user-id}, {cookie: uid}]"
		shopWild, rootPrefix       = `hosts: ["*.shop.example.com"]`, "paths: [{prefix: /}]"
		shops, betaTwo             = "paths: [{prefix: /shops}]", `headers: [{name: x-beta, exact: "2"}]`
		reversed                   = "[{cookie: uid}, {header: x-user-id}]"
		visitor                    = "[{header: x-user-id}, {visitor: {}}]"
	)
	for _, tt := range []struct {
		name          string
		before, after [][3]string
		want          string
	}{
		{"the same", [][3]string{{"a", "", header}}, [][3]string{{"a", "", header}}, "a header→a header"},
		{"a name", [][3]string{{"a", "", header}}, [][3]string{{"b", "", header}}, "a header→b header"},
		{"other hosts", [][3]string{{"a", hostA, header}}, [][3]string{{"b", hostB, header}}, "a header→- -→b header"},
		{"another rule takes over", [][3]string{{"a", hostA, header}, {"b", "", header}}, [][3]string{{"b", "", header}}, "a header→b header b header→b header"},
		{
			"a host more",
			[][3]string{{"a", hostA, header}, {"b", "", header}},
			[][3]string{{"a", hostAB, header}, {"b", "", header}},
			"a header→a header b header→a header b header→b header",
		},
		{"hosts that two rules share out", [][3]string{{"a", hostA, header}, {"b", hostAB, header}}, [][3]string{{"c", hostB, header}}, "a header→- b header→c header"},
		{"a wildcard", [][3]string{{"a", hostA, header}}, [][3]string{{"b", wild, header}}, "a header→b header -→b header"},
		{"wildcards", [][3]string{{"a", wild, header}}, [][3]string{{"b", shopWild, header}}, "a header→b header a header→-"},
		{"a host and a wildcard apart", [][3]string{{"a", hostA, header}}, [][3]string{{"b", shopWild, header}}, "a header→- -→b header"},
		{"paths within", [][3]string{{"a", shop, header}}, [][3]string{{"b", cart, header}}, "a header→b header a header→-"},
		{"a path more", [][3]string{{"a", cart, header}}, [][3]string{{"b", shop, header}}, "a header→b header -→b header"},
		{"any path", [][3]string{{"a", rootPrefix, header}}, [][3]string{{"b", cart, header}}, "a header→b header a header→-"},
		{"a prefix ends at a segment", [][3]string{{"a", shop, header}}, [][3]string{{"b", shops, header}}, "a header→- -→b header"},
		{"two values of a header", [][3]string{{"a", betaOne, header}}, [][3]string{{"b", betaTwo, header}}, "a header→- -→b header"},
		{"two headers", [][3]string{{"a", betaOne, header}}, [][3]string{{"b", "headers: [{name: x-other, present: true}]", header}}, "a header→b header a header→- -→b header"},
		{"paths apart", [][3]string{{"a", shop, header}}, [][3]string{{"b", root, header}}, "a header→- -→b header"},
		{"a header that contradicts", [][3]string{{"a", beta, header}}, [][3]string{{"b", noBeta, header}}, "a header→- -→b header"},
		{"a header that is told", [][3]string{{"a", betaOne, header}}, [][3]string{{"b", beta, header}}, "a header→b header -→b header"},
		{"a key behind", [][3]string{{"a", "", header}}, [][3]string{{"a", "", both}}, "a header→a header -→a cookie"},
		{"a visitor behind", [][3]string{{"a", "", header}}, [][3]string{{"a", "", visitor}}, "a header→a header -→a visitor"},
		{
			"two rules",
			[][3]string{{"a", "", header}, {"b", "", cookie}},
			[][3]string{{"b", "", cookie}, {"a", "", header}},
			"a header→b cookie a header→a header b cookie→b cookie",
		},
		{"one that never decides", [][3]string{{"a", "", header}, {"b", hostA, header}}, [][3]string{{"a", "", header}}, "a header→a header"},
		{"one that never decides, still", [][3]string{{"a", "", header}, {"b", hostA, header}}, [][3]string{{"a", "", header}, {"b", hostA, header}}, "a header→a header"},
		{"keys in another order", [][3]string{{"a", "", both}}, [][3]string{{"a", "", reversed}}, "a header→a header a header→a cookie a cookie→a cookie"},
		{"none", [][3]string{{"a", "", header}}, nil, "a header→-"},
	} {
		d := Compare(load(t, rulesOf(tt.before)), load(t, rulesOf(tt.after)), Options{})
		var got []string
		for _, c := range d.Comparisons {
			got = append(got, short(c.Before)+"→"+short(c.After))
		}
		want := strings.ReplaceAll(tt.want, "header", "x-user-id")
		slices.Sort(got)
		if diff := cmp.Diff(sorted(strings.NewReplacer(" x-", "/x-", " cookie", "/cookie", " visitor", "/visitor").Replace(want)), got); diff != "" {
			t.Errorf("%s: the populations (-want +got):\n%s", tt.name, diff)
		}
	}
}

func rulesOf(list [][3]string) string {
	if list == nil {
		return "rules: []"
	}
	var b strings.Builder
	b.WriteString("rules:\n")
	for _, r := range list {
		match := ""
		if r[1] != "" {
			match = "match: {" + r[1] + "}, "
		}
		fmt.Fprintf(&b, "- {name: %s, %skeys: %s, tagHeader: x-tag, policies: [{range: 10, tagValue: s2}]}\n", r[0], match, r[2])
	}
	return b.String()
}

func short(d *Decider) string {
	if d == nil {
		return "-"
	}
	source, name, _ := strings.Cut(d.Key, " ")
	if source == "header" {
		return d.Rule + "/" + name
	}
	return d.Rule + "/" + source
}

func sorted(text string) []string {
	words := strings.Fields(text)
	slices.Sort(words)
	return words
}

// TestMany checks that files as large as they may be are compared in good time: a reload
// of the rules does it.
func TestMany(t *testing.T) {
	t.Parallel()
	var hosts, tags strings.Builder
	hosts.WriteString("rules:\n")
	for i := range maxRules + 1 {
		fmt.Fprintf(&hosts, "- {name: r%d, header: x-user-id, tagHeader: x-tag, match: {hosts: [h%[1]d.example.com]}, policies: [{range: 10, tagValue: a}]}\n", i)
	}
	tags.WriteString("rules:\n- header: x-user-id\n  tagHeader: x-tag\n  modulo: 1000000\n  policies:\n")
	for i := range 20_000 {
		fmt.Fprintf(&tags, "  - {range: %d, tagValue: t%d}\n", i*40+1, i)
	}
	edit := func(text, from, to string) string { return strings.Replace(text, from, to, 1) }
	for _, tt := range []struct{ name, before, after, want string }{
		{"one number", hosts.String(), edit(hosts.String(), "range: 10", "range: 30"), "at most 20%"},
		{"one more host", hosts.String(), edit(hosts.String(), "[h7.", "[other.example.com, h7."), "at most 100%"},
		{"a rule less", hosts.String(), edit(hosts.String(), "- {name: r7,", "- {name: r7, mode: \"off\","), "at most 100%"},
		{"many tags", tags.String(), edit(tags.String(), "range: 1,", "range: 0,"), "0.0001%"},
		{"another modulo", tags.String(), edit(tags.String(), "1000000", "999999"), "at most 100%"},
		{"another hash", tags.String(), edit(tags.String(), "header:", "hash: xxh3\n  header:"), "at most 100%"},
	} {
		if got := Compare(load(t, tt.before), load(t, tt.after), Options{}).Moving().String(); got != tt.want {
			t.Errorf("%s: moving %s, want %s", tt.name, got, tt.want)
		}
	}
}
