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
	// Owned are names of which members are forged, whoever is written; nil: none.
	Owned *Names
	// UTF8 says that the value has to be UTF-8, for where it is put into a protobuf
	// string.
	UTF8 bool

	tags []*Member // that are written
	text []byte    // tags, joined; and then, behind a comma if there are any, parts
	head int       // how much of text the tags take

	headers int    // that were read
	first   []byte // the value of the first, which aliases the request
	parts   int    // what stays of what stood between commas
	stay    int    // those parts that are not blank
	forged  bool   // a member that was read is forged

	decoded []byte // a member
}

// Reset forgets the last request.
func (r *Rewriter) Reset() {
	clear(r.tags)
	r.tags, r.text, r.head = r.tags[:0], r.text[:0], 0
	r.headers, r.first, r.parts, r.stay, r.forged = 0, nil, 0, 0, false
}

// Room is how much memory r keeps for the next request, in bytes.
func (r *Rewriter) Room() int { return cap(r.text) + cap(r.decoded) }

// Write has m written, behind what is to be written already. It is called before
// Read.
func (r *Rewriter) Write(m *Member) {
	if len(r.tags) > 0 {
		r.text = append(r.text, ',')
	}
	r.tags = append(r.tags, m)
	r.text = append(r.text, m.text...)
	r.head = len(r.text)
}

// Writes reports whether any member is to be written.
func (r *Rewriter) Writes() bool { return len(r.tags) > 0 }

// Read takes the value of a header of the request, the second one as if it stood
// behind the first and a comma. The value has to stay as it is until the next
// Reset.
//
// A member is forged if a name can be read in it that is owned, or that of a member
// which is written: a token before any of its equals signs, or anywhere where it has
// none. That is regardless of case and of which characters stand between letters and
// digits. The member is decoded as a whole, as often as it can be; once as it is, once
// without blanks, and once without those, and plus signs, that decoding makes.
//
// What no header of Envoy may have, control characters, or no protobuf string, is
// not among what stays.
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
	for q := range squeezes {
		r.decoded = appendDecoded(r.decoded[:0], part, q)
		unsqueezed := q == squeezeNothing && !bytes.ContainsAny(r.decoded, " \t+")
		if r.names(r.decoded) {
			return true
		}
		if unsqueezed {
			break // squeezed it is the same
		}
	}
	return false
}

// names reports whether a name in member, which is decoded and is overwritten, is
// owned or written.
func (r *Rewriter) names(member []byte) bool {
	if last := bytes.LastIndexByte(member, '='); last >= 0 {
		member = member[:last] // behind the last sign stands a value
	}
	for len(member) > 0 {
		var token []byte
		token, member = nextToken(member)
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

// Fits reports whether the baggage with what is written is within the limits of
// the specification.
func (r *Rewriter) Fits() bool {
	return len(r.tags)+r.stay <= MaxMembers && len(r.value(true)) <= MaxBytes
}

// Result reports whether the header has to be changed, and to which value, empty
// for none, which is valid until the next Reset. Without tags nothing is written,
// and forged members go all the same.
func (r *Rewriter) Result(withTags bool) (value []byte, changed bool) {
	withTags = withTags && len(r.tags) > 0
	if !withTags && !r.forged {
		return nil, false
	}
	value = r.value(withTags)
	return value, r.headers != 1 || !bytes.Equal(value, r.first)
}

// value is without the blanks at its ends: HTTP does not have them in a value.
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
