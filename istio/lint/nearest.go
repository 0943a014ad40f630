package lint

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearest returns the candidate that got is most likely a misspelling of, or "": of
// equal ones the first. One letter may differ, and in a longer name some.
func nearest(got string, candidates []string) string {
	most := 1
	if len(got) > 5 {
		most = max(2, len(got)/5)
	}
	best, bestDistance := "", most+1
	for _, c := range candidates {
		if c == got {
			continue
		}
		if d := levenshtein.ComputeDistance(strings.ToLower(got), strings.ToLower(c)); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// didYouMean returns the end of a message that offers what is nearest, or "". Of
// names such as s1 and s2 neither is the other misspelt.
func didYouMean(got string, candidates []string) string {
	if n := nearest(got, candidates); n != "" && (len(n) > 2 || len(n) != len(got)) {
		return fmt.Sprintf(" (did you mean %q?)", n)
	}
	return ""
}

// thereIs returns the end of a message that names a route which is nearly the one
// that is missed, or "".
func thereIs(missed string, routes []string) string {
	if n := nearest(missed, routes); n != "" {
		return fmt.Sprintf(" (there is a route for %q)", n)
	}
	return ""
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
