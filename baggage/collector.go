package baggage

import (
	"bytes"

	"github.com/tagproc/tagproc/internal/seen"
)

// A Collector makes members of the tags among the headers of one request after
// another: for each, Reset, then Add for each header of the request that is not
// baggage, then Read for each that is, then Result. It is for one goroutine at a
// time, and allocates only to make room for more than it ever held.
type Collector struct {
	// Names are those of the headers that travel.
	Names *Names
	// UTF8 is as in a Rewriter.
	UTF8 bool

	seen   seen.Names // of headers that travel
	isTag  []bool     // by number of seen: whether the first one's value is a tag's
	low    []byte     // the name of a member, in lower case
	tags   int        // members of text that are from headers
	others int        // members of text that were there
	text   []byte     // all of them, joined
	head   int        // how much of text the tags take

	headers int    // baggage, that were read
	first   []byte // the value of the first, which aliases the request
}

// Reset forgets the last request.
func (c *Collector) Reset() {
	c.seen.Reset()
	c.isTag, c.tags, c.others, c.text, c.head, c.headers, c.first = c.isTag[:0], 0, 0, c.text[:0], 0, 0, nil
}

// Room is how much memory c keeps for the next request, in bytes.
func (c *Collector) Room() int { return cap(c.text) + cap(c.isTag) + cap(c.low) + c.seen.Room() }

// Add takes a header of the request, its name in lower case. Of several of one name
// the first one counts. Both slices have to stay as they are until the next Reset.
func (c *Collector) Add(name, value []byte) {
	if !c.Names.has(name) || !isMemberName(name) {
		return
	}
	if _, first := c.seen.Add(name); !first {
		return
	}
	isTag := isTagValue(value)
	if c.isTag = append(c.isTag, isTag); !isTag {
		return
	}
	if c.tags > 0 {
		c.text = append(c.text, ',')
	}
	c.text = appendMember(c.text, name, value)
	c.tags++
	c.head = len(c.text)
}

// Collects reports whether any header is to be a member. If not, baggage need not
// be read.
func (c *Collector) Collects() bool { return c.tags > 0 }

// Read takes the value of a header baggage, the second one as if it stood behind
// the first and a comma. The value has to stay as it is until the next Reset.
//
// Members of the names of tags go, and so does what is blank, and what cannot be
// written, as with a Rewriter.
func (c *Collector) Read(value []byte) {
	if c.headers++; c.headers == 1 {
		c.first = value
	}
	for more := true; more; {
		var part []byte
		part, value, more = bytes.Cut(value, []byte{','})
		if part = trim(part); len(part) > 0 && !c.isMember(part) && canWrite(part, c.UTF8) {
			c.text = append(append(c.text, ','), part...)
			c.others++
		}
	}
}

// isMember reports whether part is a member of the name of a tag, in any case.
func (c *Collector) isMember(part []byte) bool {
	name, _, ok := cutMember(part)
	if !ok {
		return false
	}
	c.low = c.low[:0]
	for _, b := range name {
		c.low = append(c.low, lower(b))
	}
	i := c.seen.Index(c.low)
	return i >= 0 && c.isTag[i]
}

// Result returns what the header has to be, empty for none, valid until the next
// Reset, and whether it is another than it was. Tags are in it if they fit: with
// them it is within the limits of the specification.
func (c *Collector) Result() (value []byte, fits, changed bool) {
	if c.tags == 0 {
		return nil, true, false
	}
	value = c.text
	if fits = c.tags+c.others <= MaxMembers && len(value) <= MaxBytes; !fits {
		if value = c.text[c.head:]; len(value) > 0 {
			value = value[1:] // the comma behind the tags
		}
	}
	if len(value) == 0 && c.headers == 0 {
		return nil, fits, false
	}
	return value, fits, c.headers != 1 || len(value) == 0 || !bytes.Equal(value, c.first)
}
