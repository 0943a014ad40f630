package baggage

import "strings"

// The limits of the specification. Every platform passes on baggage within them; beyond
// them libraries drop members, or all of them.
const (
	MaxMembers = 64
	MaxBytes   = 8192 // of all members, commas included
)

// A Member is a list-member that carries a tag.
type Member struct {
	folded string // its name
	text   string // as it is written: NAME=VALUE
}

// NewMember returns the member for a tag. The name is in lower case, and has only
// letters, digits, "-", "_" and "."; the value may be any text.
func NewMember(name, value string) *Member {
	return &Member{folded: string(fold([]byte(name))), text: string(appendMember(nil, name, value))}
}

// String returns the member as it is written: NAME=VALUE.
func (m *Member) String() string { return m.text }

// appendMember appends NAME=VALUE, the value percent-encoded.
func appendMember[T string | []byte](dst []byte, name, value T) []byte {
	dst = append(append(dst, name...), '=')
	for i := range len(value) {
		if c := value[i]; isPlain(c) {
			dst = append(dst, c)
		} else {
			const digits = "0123456789ABCDEF"
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// isPlain reports whether c is written as it is in a value: a baggage-octet other
// than the percent sign, the plus sign, which some libraries read as a space, and
// the equals sign, at which some cut the value off.
func isPlain(c byte) bool {
	return ' ' < c && c < 0x7f && strings.IndexByte(`",;\%+=`, c) < 0
}
