package baggage

import (
	"bytes"
	"unicode/utf8"
)

// A Rewriter rewrites the baggage of one request after another: for each, Reset,
// then Write for each member to be written, then Read for each header of the
// request, then the rest. It is for one goroutine at a time, and allocates only to
// make room for more than it ever held.
type Rewriter struct {
	// Owned are names whose members are always forged; nil: no names.
	Owned *Names
	// UTF8 says that the value has to be UTF-8, for where it is put into a protobuf
	// string.
	UTF8 bool

	tags []*Member // to be written
	text []byte    // tags, joined; and then, behind a comma if there are any, parts
	head int       // how much of text the tags take

	headers int    // how many were read
	first   []byte // the value of the first, which aliases the request
	parts   int    // how many parts between commas stay
	stay    int    // how many of them are not blank
	forged  bool   // a member that was read is forged

	decoded []byte // a member
}

// Reset forgets the last request.
func (r *Rewriter) Reset() {
	clear(r.tags)
	r.tags, r.text, r.head = r.tags[:0], r.text[:0], 0
	r.headers, r.first, r.parts, r.stay, r.forged = 0, nil, 0, 0, false
}

// Room returns how much memory r keeps for the next request, in bytes.
func (r *Rewriter) Room() int { return cap(r.text) + cap(r.decoded) }

// Write adds m to the members to be written. Call it before Read.
func (r *Rewriter) Write(m *Member) {
	if len(r.tags) > 0 {
		r.text = append(r.text, ',')
	}
	r.tags = append(r.tags, m)
	r.text = append(r.text, m.text...)
	r.head = len(r.text)
}

// Writes reports whether any member will be written.
func (r *Rewriter) Writes() bool { return len(r.tags) > 0 }

// Read takes the value of a header of the request. A second one counts as if it followed
// the first and a comma. The value must not change until the next Reset.
//
// A member is forged if one can read in it a name that is owned or that a written member
// has: a token before any of its equals signs, or anywhere if it has no sign. Case does
// not matter, nor which characters are between letters and digits. The member is decoded
// as a whole, as often as possible: once as it is, once without blanks, and once without
// the blanks from decoding and plus signs.
//
// Parts that a header of Envoy (control characters) or a protobuf string cannot have do
// not stay.
func (r *Rewriter) Read(value []byte) {
	if r.headers++; r.headers == 1 {
		r.first = value
	}
	for more := true; more; {
		var part []byte
		part, value, more = bytes.Cut(value, []byte{','})
		switch {
		case r.isForged(part):
			r.forged = true
		case canWrite(part, r.UTF8):
			r.keep(part)
		}
	}
}

func (r *Rewriter) keep(part []byte) {
	if len(r.tags)+r.parts > 0 {
		r.text = append(r.text, ',')
	}
	r.text = append(r.text, part...)
	r.parts++
	if len(trim(part)) > 0 {
		r.stay++
	}
}

func (r *Rewriter) isForged(part []byte) bool {
	part = bytes.TrimLeft(part, "= \t") // a sign with nothing before it ends no name
	if !isCoded(part) {                 // most are as they are, and a value is not looked at
		r.decoded = appendLower(r.decoded[:0], beforeValue(part))
		return r.names(r.decoded)
	}
	for q := range squeezes {
		r.decoded = appendDecoded(r.decoded[:0], part, q)
		unsqueezed := q == squeezeNothing && !bytes.ContainsAny(r.decoded, " \t+")
		if r.names(beforeValue(r.decoded)) {
			return true
		}
		if unsqueezed {
			break // squeezed it is the same
		}
	}
	return false
}

// beforeValue returns what stands before the last equals sign of member: a value
// follows it. Without a sign that is all of it.
func beforeValue(member []byte) []byte {
	before, _, found := bytes.CutLast(member, []byte{'='})
	if !found {
		return member
	}
	return before
}

// names reports whether a name in text, which is decoded and is overwritten, is owned
// or written.
func (r *Rewriter) names(text []byte) bool {
	for len(text) > 0 {
		var token []byte
		token, text = nextToken(text)
		fold(token)
		if r.Owned.hasFolded(token) {
			return true
		}
		for _, t := range r.tags {
			if string(token) == t.folded {
				return true
			}
		}
	}
	return false
}

// canWrite reports whether part may stand in a header of Envoy, and, if inString, in
// a protobuf string.
func canWrite(part []byte, inString bool) bool {
	for _, c := range part {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return !inString || utf8.Valid(part)
}

// Fits reports whether the baggage with the written members is within the limits of the
// specification.
func (r *Rewriter) Fits() bool {
	return len(r.tags)+r.stay <= MaxMembers && len(r.value(true)) <= MaxBytes
}

// Result returns the new value of the header, empty for no header, and whether it differs
// from the old one. The value is valid until the next Reset. Without tags nothing is
// written, but forged members still go.
func (r *Rewriter) Result(withTags bool) (value []byte, changed bool) {
	withTags = withTags && len(r.tags) > 0
	if !withTags && !r.forged {
		return nil, false
	}
	value = r.value(withTags)
	return value, r.headers != 1 || !bytes.Equal(value, r.first)
}

// value has no blanks at its ends: HTTP does not count them as part of a value.
func (r *Rewriter) value(withTags bool) []byte {
	switch {
	case r.stay == 0 && withTags:
		return r.text[:r.head]
	case r.stay == 0:
		return nil
	case withTags || r.head == 0:
		return trim(r.text)
	default:
		return trim(r.text[r.head+1:])
	}
}

func trim(b []byte) []byte { return bytes.Trim(b, " \t") }
