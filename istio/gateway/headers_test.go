package gateway

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"pgregory.net/rapid"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
)

// TestHeaders checks that Envoy's three lists, as they are printed, agree with the
// rules on every name: what is stripped and what may be changed are the owned
// headers in every spelling of what stands between letters and digits, and what is
// forwarded are these and the keys.
func TestHeaders(t *testing.T) {
	t.Parallel()
	const token = "abxyz019!#$%&'*+-.^_`|~"
	name := rapid.StringOfN(rapid.RuneFrom([]rune(token)), 1, 12, -1)
	rapid.Check(t, func(t *rapid.T) {
		declared := func(what string, least int) (names []string) {
			return rapid.SliceOfN(name, least, 4).Draw(t, what)
		}
		headers, prefixes, keys := declared("headers", 1), declared("prefixes", 0), declared("keys", 1)
		table := tableOf(headers, prefixes, keys)
		if table == nil {
			t.Skip("the rules refuse these names")
		}
		c := decode(t, render(t, table, options()))
		// Envoy matches the whole name with RE2, and quotes as Go does.
		mutable, err := regexp.Compile("^(?:" + c.ext.GetMutationRules().GetAllowExpression().GetRegex() + ")$")
		if err != nil || !c.ext.GetMutationRules().GetDisallowAll().GetValue() {
			t.Fatalf("mutation_rules = %v, %v", c.ext.GetMutationRules(), err)
		}
		owned := table.Owned()
		for _, n := range names(slices.Concat(headers, prefixes, keys), name.Draw(t, "other")) {
			isKey := slices.ContainsFunc(table.Keys(), func(k rules.Key) bool { return k.Name == n })
			isOwned := fold(owned).Contains(foldName(n))
			if got, want := stripped(c.early.GetMutations(), n), isOwned; got != want {
				t.Fatalf("%q: stripped = %v, want %v", n, got, want)
			}
			if got, want := mutable.MatchString(n), isOwned; got != want {
				t.Fatalf("%q: may be changed = %v, want %v (%s)", n, got, want, mutable)
			}
			if got, want := matches(c.ext.GetForwardRules().GetAllowedHeaders().GetPatterns(), n), isOwned || isKey; got != want {
				t.Fatalf("%q: forwarded = %v, want %v", n, got, want)
			}
			if isKey && stripped(c.early.GetMutations(), n) {
				t.Fatalf("the key %q is stripped", n)
			}
		}
	})
}

// fold returns o with its names folded.
func fold(o rules.Owned) (folded rules.Owned) {
	for _, n := range o.Headers {
		folded.Headers = append(folded.Headers, foldName(n))
	}
	for _, n := range o.Prefixes {
		folded.Prefixes = append(folded.Prefixes, foldName(n))
	}
	slices.Sort(folded.Headers)
	return folded
}

// foldName does to a name, of characters that Envoy takes, what CGI does.
func foldName(name string) string {
	return regexp.MustCompile("[^a-z0-9]").ReplaceAllString(name, "_")
}

// tableOf returns rules that own the headers and prefixes and have each of the keys,
// or nil where the language does not allow that.
func tableOf(headers, prefixes, keys []string) *rules.Table {
	quoted := func(names []string) string {
		var all []string
		for _, n := range names {
			all = append(all, fmt.Sprintf("%q", n))
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	src := fmt.Sprintf("tagHeaders: {headers: %s, headerPrefixes: %s}\nrules:\n", quoted(headers), quoted(prefixes))
	for i, k := range keys {
		src += fmt.Sprintf("- {name: r%d, header: %q, tagHeader: %q, policies: [{range: 1, tagValue: a}]}\n", i, k, headers[0])
	}
	table, _ := rules.Load("rules.yaml", []byte(src), rules.Options{})
	return table
}

// names returns names that are, or nearly are, those that are declared.
func names(declared []string, other string) []string {
	all := []string{other, contract.Baggage, "x-user-id"}
	for _, d := range declared {
		all = append(all, foldName(d), strings.ReplaceAll(foldName(d), "_", "!")+other, d, d+other, other+d, d[1:], d[:len(d)-1], strings.ReplaceAll(d, ".", "x"), strings.ReplaceAll(d, "|", ""))
		all = append(all, strings.Split(d, "|")...)
	}
	return all
}

func stripped(mutations []*mutationv3.HeaderMutation, name string) bool {
	return slices.ContainsFunc(mutations, func(m *mutationv3.HeaderMutation) bool {
		return m.GetRemove() == name && name != "" || matches([]*matcherv3.StringMatcher{m.GetRemoveOnMatch().GetKeyMatcher()}, name)
	})
}

func matches(patterns []*matcherv3.StringMatcher, name string) bool {
	return slices.ContainsFunc(patterns, func(m *matcherv3.StringMatcher) bool {
		switch p := m.GetMatchPattern().(type) {
		case *matcherv3.StringMatcher_Exact:
			return p.Exact == name
		case *matcherv3.StringMatcher_Prefix:
			return strings.HasPrefix(name, p.Prefix)
		case *matcherv3.StringMatcher_SafeRegex:
			return regexp.MustCompile("^(?:" + p.SafeRegex.GetRegex() + ")$").MatchString(name)
		}
		return false
	})
}
