package baggage

import (
	"bytes"

	"github.com/tagproc/tagproc/internal/seen"
)

// A Collector turns the tags among a request's headers into members, for one request
// after another: for each, Reset, then Add for each header of the request that is not
// baggage, then Read for each that is, then Result. It is for one goroutine at a
// time, and allocates only to make room for more than it ever held.
type Collector struct {
	// Names are those of the headers that travel.
	Names *Names
	// UTF8 is as in a Rewriter.
	UTF8 bool

	seen   seen.Names // of headers that travel
	isTag  []bool     // by number of seen: whether the value of the first one is a tag
	low    []byte     // the name of a member, in lower case
	tags   int        // members of text that are from headers
	others int        // members of text that the request had
	text   []byte     // all of them, joined
	head   int        // how much of text the tags take

	headers int    // headers baggage that were read
	first   []byte // the value of the first, which aliases the request
}

// Reset forgets the last request.
func (c *Collector) Reset() {
	c.seen.Reset()
	c.isTag, c.tags, c.others, c.text, c.head, c.headers, c.first = c.isTag[:0], 0, 0, c.text[:0], 0, 0, nil
}

// Room returns how much memory c keeps for the next request, in bytes.
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

// Collects reports whether any header becomes a member. If not, baggage need not be
// read.
func (c *Collector) Collects() bool { return c.tags > 0 }

// Read takes the value of a header baggage. A second one counts as if it followed the
// first and a comma. The value must not change until the next Reset.
//
// Members with the names of tags go, and so do blank ones and those that cannot be
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

// isMember reports whether part is a member with the name of a tag, in any case.
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

// Result returns the new value of the header, empty for no header, and whether it
// differs from the old one. The value is valid until the next Reset. It has the tags if
// it is then within the limits of the specification.
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
