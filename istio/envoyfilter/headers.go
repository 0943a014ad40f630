package envoyfilter

import (
	"regexp"
	"strings"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
)

// Exact matches a header of this name.
func Exact(name string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: name}}
}

// Prefix matches the headers whose names begin with the prefix.
func Prefix(p string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: p}}
}

// Regex matches the headers whose whole names match the expression.
func Regex(expression string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: expression}}}
}

// Spelled returns an expression for every spelling of the separators in a name of letters,
// digits and separators.
func Spelled(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if contract.IsSeparator(c) {
			b.WriteString(contract.Separator)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Misspelled returns an expression for each header of o that has separators: it matches
// the header in every spelling of its separators except its own. A header that another
// name or beginning of o spells as it is, is one of o and not misspelt.
func Misspelled(o rules.Owned) (expressions []string) {
	for _, name := range o.Headers {
		if e := misspelled(name, ""); e != "" {
			expressions = append(expressions, e)
		}
	}
	for _, p := range o.Prefixes {
		if e := misspelled(p, ".*"); e != "" {
			expressions = append(expressions, e)
		}
	}
	return expressions
}

// misspelled is an alternative for each separator of name: that one is another
// character, and those before it are as they are written.
func misspelled(name, behind string) string {
	var alternatives []string
	for i, c := range name {
		if contract.IsSeparator(c) {
			other := "[^a-z0-9" + regexp.QuoteMeta(string(c)) + "]" // QuoteMeta leaves -, which may stand at the end
			alternatives = append(alternatives, regexp.QuoteMeta(name[:i])+other+Spelled(name[i+1:])+behind)
		}
	}
	return strings.Join(alternatives, "|")
}

// Patterns returns matchers for the headers of o in every spelling, names first.
func Patterns(o rules.Owned) (patterns []*matcherv3.StringMatcher) {
	for _, name := range o.Headers {
		if !strings.ContainsFunc(name, contract.IsSeparator) {
			patterns = append(patterns, Exact(name))
			continue
		}
		patterns = append(patterns, Regex(Spelled(name)))
	}
	for _, p := range o.Prefixes {
		if !strings.ContainsFunc(p, contract.IsSeparator) {
			patterns = append(patterns, Prefix(p))
			continue
		}
		patterns = append(patterns, Regex(Spelled(p)+".*"))
	}
	return patterns
}

// maxProgram is the most instructions of RE2 that Expression returns. Envoy 1.36 refuses
// more than 100, but Istio's bootstrap raises that to 32,768; a separator takes 9.
const maxProgram = 30_000

// Expression returns a regular expression that matches, as a whole, the headers of o in
// every spelling and those of names. With thousands of separators that program would be
// too large; then only the headers of o as they are spelt match.
func Expression(o rules.Owned, names ...string) string {
	spelled, size := Spelled, 0
	for _, list := range [][]string{o.Headers, o.Prefixes} {
		for _, name := range list {
			size += len(Spelled(name)) + 5
		}
	}
	if size > maxProgram {
		spelled = regexp.QuoteMeta
	}
	var parts []string
	for _, name := range o.Headers {
		parts = append(parts, spelled(name))
	}
	for _, p := range o.Prefixes {
		parts = append(parts, spelled(p)+".*")
	}
	for _, name := range names {
		parts = append(parts, regexp.QuoteMeta(name))
	}
	return strings.Join(parts, "|")
}
