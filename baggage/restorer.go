package baggage

import "bytes"

// maxNameLength and maxValueLength bound the members that a hop reads, in bytes:
// what rules can name and give.
const (
	maxNameLength  = 256
	maxValueLength = 256
)

// A Restorer reads the tags from the baggage of one request after another: for each,
// Reset, then Read for each header of the request, then the tags. It is for one goroutine
// at a time, and allocates only to make room for more than it ever held.
type Restorer struct {
	Names *Names // of the tags that travel

	parts int     // that were read
	found []found // the first member of each name
	text  []byte  // names in lower case and decoded values, of found
}

// A found is where a member is in Restorer.text. An empty value is not a tag.
type found struct{ name, value, end int }

// Reset forgets the last request.
func (r *Restorer) Reset() { r.parts, r.found, r.text = 0, r.found[:0], r.text[:0] }

// Room returns how much memory r keeps for the next request, in bytes.
func (r *Restorer) Room() int { return cap(r.text) }

// Read takes the value of a header of the request. A second one counts as if it followed
// the first and a comma. The value is not kept.
func (r *Restorer) Read(value []byte) {
	for more := true; more && r.parts < MaxMembers; {
		var part []byte
		if part, value, more = bytes.Cut(value, []byte{','}); len(part) > 0 {
			r.parts++
			r.readPart(part)
		}
	}
}

// readPart notes the member in part if it is the first with a name that travels.
func (r *Restorer) readPart(part []byte) {
	name, value, ok := cutMember(part)
	if !ok {
		return
	}
	f := found{name: len(r.text)}
	for _, c := range name {
		r.text = append(r.text, lower(c))
	}
	f.value = len(r.text)
	if low := r.text[f.name:]; !r.Names.has(low) || r.index(low) >= 0 {
		r.text = r.text[:f.name]
		return
	}
	r.text = appendTagValue(r.text, value)
	f.end = len(r.text)
	r.found = append(r.found, f)
}

// Len returns how many of the names that travel have members.
func (r *Restorer) Len() int { return len(r.found) }

// Tag returns name i of Len, in lower case, and the value of its tag, nil if the first
// member of the name has no tag. Both are valid until the next Read or Reset.
func (r *Restorer) Tag(i int) (name, value []byte) {
	f := r.found[i]
	if f.value < f.end {
		value = r.text[f.value:f.end]
	}
	return r.text[f.name:f.value], value
}

// Has reports whether there is a tag of this name, in lower case.
func (r *Restorer) Has(name string) bool {
	for i := range r.found {
		if n, value := r.Tag(i); value != nil && string(n) == name {
			return true
		}
	}
	return false
}

// index returns where name, in lower case, is in r.found, or -1.
func (r *Restorer) index(name []byte) int {
	for i, f := range r.found {
		if bytes.Equal(r.text[f.name:f.value], name) {
			return i
		}
	}
	return -1
}

// cutMember splits a part at its first equals sign, if it is a member: it returns the
// name without the blanks around it, and what follows the sign.
func cutMember(part []byte) (name, value []byte, ok bool) {
	part = bytes.TrimLeft(part, " \t")
	end := 0
	for end < len(part) && memberNameBytes[part[end]] {
		end++
	}
	name, value = part[:end], bytes.TrimLeft(part[end:], " \t")
	if !isMemberLength(end) || len(value) == 0 || value[0] != '=' {
		return nil, nil, false
	}
	return name, value[1:], true
}

// appendTagValue appends the decoded value of a member, which follows its equals sign as
// text, or nothing if the value is not a tag: 1 to 256 characters of visible ASCII.
func appendTagValue(dst, text []byte) []byte {
	text, _, _ = bytes.Cut(text, []byte{';'}) // properties
	text = trim(text)
	begin := len(dst)
	for len(text) > 0 {
		c := text[0]
		text = text[1:]
		if c == '%' && len(text) >= 2 {
			high, ok := digit(lower(text[0]))
			low, okLow := digit(lower(text[1]))
			if ok && okLow {
				c, text = high<<4|low, text[2:]
			}
		}
		if !isVisible(c) || len(dst)-begin == maxValueLength {
			return dst[:begin]
		}
		dst = append(dst, c)
	}
	return dst
}

// isTagValue reports whether value is 1 to 256 characters of visible ASCII.
func isTagValue(value []byte) bool {
	for _, c := range value {
		if !isVisible(c) {
			return false
		}
	}
	return 0 < len(value) && len(value) <= maxValueLength
}

func isVisible(c byte) bool { return '!' <= c && c <= '~' }

// isMemberName reports whether name is 1 to 256 characters that libraries leave alone in
// the name of a member.
func isMemberName(name []byte) bool {
	for _, c := range name {
		if !memberNameBytes[c] {
			return false
		}
	}
	return isMemberLength(len(name))
}

func isMemberLength(n int) bool { return 0 < n && n <= maxNameLength }

// memberNameBytes are the characters of the names of members.
var memberNameBytes = func() (is [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") {
		is[c] = true
	}
	return is
}()
