package rules

import "bytes"

// splitPath returns the path and the query of s, the pseudo-header :path, without
// the question mark between them. A fragment, which no client should send, is no
// part of either.
func splitPath(s []byte) (path, query []byte) {
	if i := bytes.IndexByte(s, '#'); i >= 0 {
		s = s[:i]
	}
	if i := bytes.IndexByte(s, '?'); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, nil
}

// nextParameter returns the first parameter of a query, as it was sent, and what
// stands behind it. ok is false where there is none any more. A parameter without
// an equals sign has an empty value.
func nextParameter(query []byte) (name, value, rest []byte, ok bool) {
	for len(query) > 0 {
		pair := query
		if i := bytes.IndexByte(query, '&'); i >= 0 {
			pair, query = query[:i], query[i+1:]
		} else {
			query = nil
		}
		if len(pair) == 0 {
			continue
		}
		if i := bytes.IndexByte(pair, '='); i >= 0 {
			return pair[:i], pair[i+1:], query, true
		}
		return pair, nil, query, true
	}
	return nil, nil, nil, false
}

// isEncoded reports whether s stands for other text than itself.
func isEncoded(s []byte) bool {
	return bytes.IndexByte(s, '%') >= 0 || bytes.IndexByte(s, '+') >= 0
}

// appendDecoded appends to dst what s, a name or a value of a query, stands for,
// as forms are read (application/x-www-form-urlencoded): a plus sign is a space, a
// percent sign and two hexadecimal digits are a byte, and any other percent sign
// means itself.
func appendDecoded(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			dst = append(dst, ' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			dst = append(dst, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&0xf + 9
}
