package baggage

import "bytes"

// A Collector makes members of the tags among the headers of one request after
// another: for each, Reset, then Add for each header of the request that is not
// baggage, then Read for each that is, then Result. It is for one goroutine at a
// time, and allocates only to make room for more than it ever held.
type Collector struct {
	// Names are those of the headers that travel.
	Names *Names
	// UTF8 is as in a Rewriter.
	UTF8 bool

	seen   []seen // the first header of each name
	tags   int    // members of text that are from headers
	others int    // members of text that were there
	text   []byte // all of them, joined
	head   int    // how much of text the tags take

	headers int    // baggage, that were read
	first   []byte // the value of the first, which aliases the request
}

// A seen is a header that travels. The name aliases the request.
type seen struct {
	name  []byte
	isTag bool // whether its value is one's
}

// Reset forgets the last request.
func (c *Collector) Reset() {
	clear(c.seen)
	c.seen, c.tags, c.others, c.text, c.head, c.headers, c.first = c.seen[:0], 0, 0, c.text[:0], 0, 0, nil
}

// Room is how much memory c keeps for the next request, in bytes.
func (c *Collector) Room() int { return cap(c.text) + cap(c.seen)*32 }

// Add takes a header of the request, its name in lower case. Of several of one name
// the first one counts. Both slices have to stay as they are until the next Reset.
func (c *Collector) Add(name, value []byte) {
	if !c.Names.has(name) || !isMemberName(name) || c.index(name) >= 0 {
		return
	}
	s := seen{name: name, isTag: isTagValue(value)}
	if c.seen = append(c.seen, s); !s.isTag {
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
		if part = trim(part); len(part) > 0 && !c.isTag(part) && canWrite(part, c.UTF8) {
			c.text = append(append(c.text, ','), part...)
			c.others++
		}
	}
}

// isTag reports whether part is a member of the name of a tag.
func (c *Collector) isTag(part []byte) bool {
	name, _, ok := cutMember(part)
	if !ok {
		return false
	}
	i := c.index(name)
	return i >= 0 && c.seen[i].isTag
}

// index returns where name, in any case, is in c.seen, or -1.
func (c *Collector) index(name []byte) int {
	for i := range c.seen {
		if equalLower(c.seen[i].name, name) {
			return i
		}
	}
	return -1
}

// equalLower reports whether name is low in any case; low is in lower case.
func equalLower(low, name []byte) bool {
	if len(low) != len(name) {
		return false
	}
	for i, c := range name {
		if lower(c) != low[i] {
			return false
		}
	}
	return true
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
