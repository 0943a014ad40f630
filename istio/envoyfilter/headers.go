package envoyfilter

import (
	"regexp"
	"strings"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/tagproc/tagproc/rules"
)

// Exact matches a header of this name.
func Exact(name string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: name}}
}

// Prefix matches the headers whose names begin so.
func Prefix(p string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: p}}
}

// Patterns match the headers of o, names first.
func Patterns(o rules.Owned) (patterns []*matcherv3.StringMatcher) {
	for _, name := range o.Headers {
		patterns = append(patterns, Exact(name))
	}
	for _, p := range o.Prefixes {
		patterns = append(patterns, Prefix(p))
	}
	return patterns
}

// Expression is a regular expression that the headers of o, and those of names,
// match as a whole. Envoy bounds the size of such a program, by default by 100;
// Istio's bootstrap has 32,768, about twice what the most tag headers of the
// longest names take.
func Expression(o rules.Owned, names ...string) string {
	var parts []string
	for _, name := range o.Headers {
		parts = append(parts, regexp.QuoteMeta(name))
	}
	for _, p := range o.Prefixes {
		parts = append(parts, regexp.QuoteMeta(p)+".*")
	}
	for _, name := range names {
		parts = append(parts, regexp.QuoteMeta(name))
	}
	return strings.Join(parts, "|")
}
