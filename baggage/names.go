package baggage

import (
	"bytes"

	"github.com/tagproc/tagproc/contract"
)

// Names are names that only tagproc may give to members.
type Names struct {
	exact, exactFolded       map[string]bool
	prefixes, prefixesFolded []string
}

// NewNames returns the names that are one of exact or begin with one of prefixes.
// All are in lower case, and have only letters, digits, "-", "_" and ".".
func NewNames(exact, prefixes []string) *Names {
	n := &Names{exact: map[string]bool{}, exactFolded: map[string]bool{}, prefixes: prefixes}
	for _, name := range exact {
		n.exact[name] = true
		n.exactFolded[string(fold([]byte(name)))] = true
	}
	for _, p := range prefixes {
		n.prefixesFolded = append(n.prefixesFolded, string(fold([]byte(p))))
	}
	return n
}

// has reports whether name, in lower case, is one of n. A nil *Names has none.
func (n *Names) has(name []byte) bool {
	return n != nil && (n.exact[string(name)] || hasPrefix(name, n.prefixes))
}

// hasFolded reports whether name, in lower case and folded, is one of n, folded. A nil
// *Names has none.
func (n *Names) hasFolded(name []byte) bool {
	return n != nil && (n.exactFolded[string(name)] || hasPrefix(name, n.prefixesFolded))
}

func hasPrefix(name []byte, prefixes []string) bool {
	for _, p := range prefixes {
		if len(name) >= len(p) && string(name[:len(p)]) == p {
			return true
		}
	}
	return false
}

// fold replaces all characters of name, in lower case, except letters and digits, by
// hyphens, in place. Servers that pass headers as environment variables do the same with
// underscores.
func fold(name []byte) []byte {
	for i, c := range name {
		if contract.IsSeparator(c) {
			name[i] = '-'
		}
	}
	return name
}

// A squeeze is what is left out of a member. Some libraries take a decoded plus sign for
// a space.
type squeeze int

const (
	squeezeNothing squeeze = iota
	squeezeBlanks          // blanks of the member as it is
	squeezeDecoded         // also blanks from decoding, and plus signs
	squeezes
)

// appendDecoded appends member in lower case and decoded as often as it can be:
// %252D is a hyphen.
func appendDecoded(dst, member []byte, q squeeze) []byte {
	begin := len(dst)
	for _, c := range member {
		if q >= squeezeBlanks && isBlank(c) {
			continue
		}
		dst = append(dst, lower(c))
		// A decoded character may end another escape, as in %2%35 or %25%34%31.
		for n := len(dst) - 3; n >= begin && dst[n] == '%'; n = len(dst) - 3 {
			high, ok := digit(dst[n+1])
			low, okLow := digit(dst[n+2])
			if !ok || !okLow {
				break
			}
			dst = append(dst[:n], lower(high<<4|low))
		}
		if n := len(dst) - 1; q == squeezeDecoded && (isBlank(dst[n]) || dst[n] == '+') {
			dst = dst[:n]
		}
	}
	return dst
}

// isCoded reports whether member may read otherwise once it is decoded or squeezed.
func isCoded(member []byte) bool {
	for _, c := range member {
		if c == '%' || c == '+' || isBlank(c) {
			return true
		}
	}
	return false
}

func appendLower(dst, text []byte) []byte {
	for _, c := range text {
		dst = append(dst, lower(c))
	}
	return dst
}

// nextToken returns the first token in text, without plus signs around it, and
// what follows. Whatever cannot be in a token separates tokens. Without any the
// token is empty, and so is what follows.
func nextToken(text []byte) (token, rest []byte) {
	begin := 0
	for begin < len(text) && !tokenBytes[text[begin]] {
		begin++
	}
	end := begin
	for end < len(text) && tokenBytes[text[end]] {
		end++
	}
	return bytes.Trim(text[begin:end], "+"), text[end:]
}

// tokenBytes are the characters of a token (RFC 9110, section 5.6.2) in lower case.
var tokenBytes = func() (is [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
		is[c] = true
	}
	return is
}()

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// digit returns the value of a hexadecimal digit in lower case.
func digit(c byte) (value byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
