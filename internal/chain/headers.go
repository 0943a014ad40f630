package chain

import (
	"slices"
	"strings"
)

// Headers are the headers that a service sends on: names, and beginnings of names
// that end in "*".
type Headers []string

// Forwarded are the headers that the documents' applications send on: the user's id
// and the tags.
var Forwarded = Headers{"x-user-id", "x-asm-prefer-tag", "appver*"}

// Has reports whether a header is one of them, in any case.
func (h Headers) Has(name string) bool {
	return slices.ContainsFunc(h, func(one string) bool {
		beginning, ok := strings.CutSuffix(one, "*")
		if !ok {
			return strings.EqualFold(name, one)
		}
		return len(name) >= len(beginning) && strings.EqualFold(name[:len(beginning)], beginning)
	})
}
