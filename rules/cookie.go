package rules

import "bytes"

// nextCookie returns the first pair of s, the value of a header cookie, and what
// stands behind it. ok is false where s has no pair any more. Name and value are
// those of RFC 6265, section 4.2.1, read as generously as Envoy's cookie hash
// does: blanks around both and one pair of double quotes around the value are no
// part of them, text without an equals sign is skipped, and percent signs mean
// themselves. All of them alias s.
func nextCookie(s []byte) (name, value, rest []byte, ok bool) {
	for len(s) > 0 {
		pair := s
		if i := bytes.IndexByte(s, ';'); i >= 0 {
			pair, s = s[:i], s[i+1:]
		} else {
			s = nil
		}
		if i := bytes.IndexByte(pair, '='); i >= 0 {
			return TrimBlanks(pair[:i]), unquote(TrimBlanks(pair[i+1:])), s, true
		}
	}
	return nil, nil, nil, false
}

// unquote returns s without the double quotes around it, if it has both.
func unquote(s []byte) []byte {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// TrimBlanks returns value without the spaces and tabs around it, which are no part
// of the value of a header (RFC 9110, section 5.5), and of no key. Envoy leaves them
// where a request came over HTTP/2. The result is a part of value, never nil if that
// is not.
func TrimBlanks[T string | []byte](value T) T {
	for len(value) > 0 && isBlank(value[0]) {
		value = value[1:]
	}
	for len(value) > 0 && isBlank(value[len(value)-1]) {
		value = value[:len(value)-1]
	}
	return value
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
