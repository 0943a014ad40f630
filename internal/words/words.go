// Package words says numbers, tags and long texts as people read them, everywhere alike.
package words

import (
	"cmp"
	"fmt"
	"strconv"
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

// Percent returns p, from 0 to 100, with up to so many decimals: "12.5%". What is more than
// nobody, or less than everybody, never reads as nobody or everybody.
func Percent(p float64, decimals int) string {
	text := strconv.FormatFloat(p, 'f', decimals, 64)
	least := "." + strings.Repeat("0", decimals-1) + "1%"
	switch {
	case p > 0 && strings.Trim(text, "0.") == "":
		return "<0" + least
	case p < 100 && strings.HasPrefix(text, "100."):
		return ">99." + strings.Repeat("9", decimals) + "%"
	}
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "%"
}

// Cut returns the beginning of a text that a peer or a file has at length: at most so many
// bytes, and then an ellipsis.
func Cut(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
