// Package words says numbers, tags, long texts and the words of a command as people read them,
// everywhere alike.
package words

import (
	"cmp"
	"fmt"
	"math"
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
	least := strconv.FormatFloat(math.Pow10(-decimals), 'f', decimals, 64)
	switch {
	case p > 0 && strings.Trim(text, "0.") == "":
		return "<" + least + "%"
	case p < 100 && strings.HasPrefix(text, "100"):
		return ">" + strconv.FormatFloat(100-math.Pow10(-decimals), 'f', decimals, 64) + "%"
	}
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return text + "%"
}

// Cut returns the beginning of a text that a peer or a file has at length: at most so many
// bytes, and then an ellipsis.
func Cut(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// Shell returns a word as it is typed in a shell. A character that is not printed becomes a
// space: the word stays on its line, of a comment too.
func Shell(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+"
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	word = strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return ' '
	}, word)
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
