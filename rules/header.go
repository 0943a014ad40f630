package rules

import (
	"fmt"
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
