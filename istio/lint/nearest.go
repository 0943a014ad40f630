package lint

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tagproc/tagproc/source"
)

// didYouMean returns the end of a message that offers the nearest candidate, or "".
// Two letters are too few to be a misspelling: s1 is not s2 misspelt.
func didYouMean(got string, candidates []string) string {
	if n := source.Nearest(got, candidates); len(n) > 2 || len(n) != len(got) {
		return source.DidYouMean(n)
	}
	return ""
}

// thereIs returns the end of a message that names the route with the nearest value, or "".
func thereIs(missed string, routes []string) string {
	if n := source.Nearest(missed, routes); n != "" {
		return fmt.Sprintf(" (there is a route for %q)", n)
	}
	return ""
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
