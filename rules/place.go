package rules

import "bytes"

// hostOf returns the host of s, the pseudo-header :authority, without its port. An
// address of IPv6 keeps its brackets.
func hostOf(s []byte) []byte {
	end := 0
	if len(s) > 0 && s[0] == '[' {
		end = bytes.IndexByte(s, ']') + 1
	}
	if i := bytes.IndexByte(s[end:], ':'); i >= 0 {
		return s[:end+i]
	}
	return s
}

// A hostPattern is a host of a rule's match: a whole name, or what stands behind
// the star of "*.example.com", the dot included.
type hostPattern struct {
	name   string // in lower case
	suffix bool   // whether at least one byte more stands before name
}

// matches reports whether host, in any case, is one that p means.
func (p *hostPattern) matches(host []byte) bool {
	if p.suffix {
		if len(host) <= len(p.name) {
			return false
		}
		host = host[len(host)-len(p.name):]
	}
	return isLower(host, p.name)
}

// isLower reports whether s, its ASCII letters in lower case, is lower.
func isLower(s []byte, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i, c := range s {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// A pathPattern is a path of a rule's match: a whole one, or the beginning of
// paths, which ends where a segment does.
type pathPattern struct {
	path   string // "/" or without a slash at its end, if it is a prefix
	prefix bool
}

// matches reports whether path, without its query, is one that p means. Paths are
// compared byte by byte, as Envoy sends them.
func (p *pathPattern) matches(path []byte) bool {
	if !p.prefix {
		return string(path) == p.path
	}
	n := len(p.path)
	return len(path) >= n && string(path[:n]) == p.path && (len(path) == n || path[n] == '/' || p.path == "/")
}
