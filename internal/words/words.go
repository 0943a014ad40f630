// Package words says numbers, tags and long texts as people read them, everywhere alike.
package words

import (
	"cmp"
	"fmt"
	"strings"
)

// Tag returns a tag value, or "no tag" where it is empty.
func Tag(value string) string { return cmp.Or(value, "no tag") }

// Count returns n before one or many: "1 person", "2 people".
func Count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Counted returns for example "1 error" or "2 errors".
func Counted(n int, what string) string { return Count(n, what, what+"s") }

// Cut returns the beginning of a text that a peer or a file has at length: at most so many
// bytes, and then an ellipsis.
func Cut(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
