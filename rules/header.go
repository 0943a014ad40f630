package rules

import (
	"fmt"
	"slices"
	"strings"
)

// maxNameLength bounds header names and tag values, in bytes: generous for
// both, and far below the header limits of any gateway.
const maxNameLength = 256

// checkHeaderName returns what is wrong with name (in lower case) as the name
// of an HTTP header, or "": a token of RFC 9110, section 5.6.2.
func checkHeaderName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > maxNameLength:
		return fmt.Sprintf("is longer than %d bytes", maxNameLength)
	case strings.HasPrefix(name, ":"):
		return "is a pseudo-header of HTTP/2, not a header"
	}
	for _, r := range name {
		if !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)) {
			return fmt.Sprintf("has the character %q, which HTTP does not allow in a header name", r)
		}
	}
	return ""
}

// checkTagValue returns what is wrong with a tag's value, or "".
func checkTagValue(v string) string {
	if v == "" {
		return "is empty"
	}
	return checkVisible(v)
}

// checkVisible returns why text is too long or not visible ASCII, or "".
func checkVisible(text string) string {
	if len(text) > maxNameLength {
		return fmt.Sprintf("is longer than %d bytes", maxNameLength)
	}
	for _, r := range text {
		if r <= ' ' || r > '~' {
			return fmt.Sprintf("has the character %q; only visible ASCII is allowed, without spaces", r)
		}
	}
	return ""
}

// Owned are the tag headers that a deployment may ever write. Envoy's side
// (early stripping, forward_rules, mutation_rules) is made from them and from
// the keys, so that an edit of the rules needs no change of Envoy.
type Owned struct {
	Headers  []string // exact names, in lower case, sorted
	Prefixes []string // beginnings of names, in lower case, sorted
}

// Contains reports whether name, in lower case, is one of the headers.
func (o Owned) Contains(name string) bool {
	_, exact := slices.BinarySearch(o.Headers, name)
	return exact || slices.ContainsFunc(o.Prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// Folds reports whether name, in lower case, is none of the headers and yet one of
// them in another spelling: with any other character in the place of one that is
// neither a letter nor a digit. Servers that hand headers on as environment variables
// (CGI, WSGI, PHP, Rack) cannot tell x_asm_prefer_tag from x-asm-prefer-tag. No
// pseudo-header is a spelling. Folds allocates nothing.
func (o Owned) Folds(name []byte) (folds bool) {
	if len(name) > 0 && name[0] == ':' {
		return false
	}
	for _, h := range o.Headers {
		if len(name) == len(h) && spells(name, h) {
			if string(name) == h {
				return false
			}
			folds = true
		}
	}
	for _, p := range o.Prefixes {
		if spells(name, p) {
			if string(name[:len(p)]) == p {
				return false
			}
			folds = true
		}
	}
	return folds
}

// spells reports whether name, in lower case, begins with a spelling of prefix.
func spells[T string | []byte](name T, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if c := prefix[i]; name[i] != c && (isAlphanumeric(c) || isAlphanumeric(name[i])) {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// IsZero reports whether nothing is declared.
func (o Owned) IsZero() bool { return len(o.Headers)+len(o.Prefixes) == 0 }

// and returns the headers that are in both.
func (o Owned) and(p Owned) (both Owned) {
	for _, pair := range [][2]Owned{{o, p}, {p, o}} {
		for _, name := range pair[0].Headers {
			if pair[1].Contains(name) {
				both.Headers = append(both.Headers, name)
			}
		}
		for _, longer := range pair[0].Prefixes {
			if slices.ContainsFunc(pair[1].Prefixes, func(p string) bool { return strings.HasPrefix(longer, p) }) {
				both.Prefixes = append(both.Prefixes, longer)
			}
		}
	}
	slices.Sort(both.Headers)
	slices.Sort(both.Prefixes)
	both.Headers, both.Prefixes = slices.Compact(both.Headers), slices.Compact(both.Prefixes)
	return both
}
