package lua

import (
	"strings"
	"testing"
)

// FuzzQuote checks that Lua reads every text as it was, from printable ASCII that
// cannot end a line or a comment.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "appver", `"`, `\`, `\"`, "]]", "a\nb\r\x00c", "\x7f\x80\xff", "1\x001", "é→", "{{lua .}}", "%d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		literal := Quote(s)
		for _, c := range []byte(literal) {
			if c < ' ' || c > '~' {
				t.Fatalf("Quote(%q) = %q, want printable ASCII alone", s, literal)
			}
		}
		if got, rest := unquote(t, literal+" tail"); got != s || rest != " tail" {
			t.Fatalf("Lua reads Quote(%q) = %s as %q, and goes on with %q", s, literal, got, rest)
		}
	})
}

// unquote reads a literal at the beginning of src as Lua 5.1 does, in so far as Quote
// writes them (reference manual, section 2.1), and returns what follows.
func unquote(t *testing.T, src string) (s, rest string) {
	t.Helper()
	var b strings.Builder
	for i := 1; i < len(src); i++ {
		switch src[i] {
		case '"':
			return b.String(), src[i+1:]
		case '\\': // up to three decimal digits
			n := 0
			for digits := 0; digits < 3 && '0' <= src[i+1] && src[i+1] <= '9'; digits++ {
				i++
				n = 10*n + int(src[i]-'0')
			}
			if src[i] == '\\' || n > 0xff {
				t.Fatalf("Lua refuses %q at %d", src, i)
			}
			b.WriteByte(byte(n))
		default:
			b.WriteByte(src[i])
		}
	}
	t.Fatalf("the literal %q does not end", src)
	return "", ""
}
