package lint

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tagproc/tagproc/source"
)

// thereIs returns the end of a message that names the route with the nearest value, or "".
func thereIs(missed string, routes []string) string {
	if n := source.Nearest(missed, routes); n != "" {
		return fmt.Sprintf(" (there is a route for %q)", n)
	}
	return ""
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
