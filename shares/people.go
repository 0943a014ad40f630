package shares

import "slices"

// People is how many users whose ids are known move.
type People struct {
	Counted uint64   `json:"counted"`
	Moving  uint64   `json:"moving"`         // who change any tag
	List    []Person `json:"list,omitempty"` // of those the first ones, if a list was asked for

	leaving map[string]uint64 // how many lose a tag
}

// Share returns how many of the people counted move.
func (p *People) Share() Share { return Share{p.Moving, p.Counted} }

// Leaving returns how many of the people counted lose the tag, of whatever tag header.
func (p *People) Leaving(tag string) uint64 { return p.leaving[tag] }

// A Count is how many people with the tag From before have To after; "": no tag.
type Count struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Count uint64 `json:"count"`
}

// A Person is a user whose tag changes. Buckets are nil of those whom an override names,
// and where no rule decides.
type Person struct {
	ID           string  `json:"id"`
	TagHeader    string  `json:"tagHeader"`
	From         string  `json:"from"` // "": no tag
	To           string  `json:"to"`
	BucketBefore *uint32 `json:"bucketBefore,omitempty"`
	BucketAfter  *uint32 `json:"bucketAfter,omitempty"`
}

// A Counter counts what a Diff does to people whose ids are known. An id is taken as the
// value of whatever key decides, before and after, so people are counted where keys
// differ too.
type Counter struct {
	diff   *Diff
	people People
	list   int               // how many people are still to be listed
	cells  []map[pair]uint64 // of each Comparison
	left   []string          // the tags that a person loses
}

// NewCounter returns a Counter for d that lists up to list people.
func NewCounter(d *Diff, list int) *Counter {
	c := &Counter{diff: d, list: list, people: People{leaving: map[string]uint64{}}}
	for range d.Comparisons {
		c.cells = append(c.cells, map[pair]uint64{})
	}
	return c
}

// Add counts the person with an id, which it does not keep unless it is listed.
func (c *Counter) Add(id []byte) {
	moves := false
	c.left = c.left[:0]
	for i := range c.diff.Comparisons {
		of := &c.diff.Comparisons[i]
		from, before := of.Before.decide(id)
		to, after := of.After.decide(id)
		c.cells[i][pair{from, to}]++
		if from == to {
			continue
		}
		moves = true
		if from != "" && !slices.Contains(c.left, from) {
			c.left = append(c.left, from)
		}
		if c.list > 0 && !c.isListed(id, of.TagHeader, from, to) {
			c.list--
			c.people.List = append(c.people.List, Person{string(id), of.TagHeader, from, to, bucketOf(before), bucketOf(after)})
		}
	}
	c.people.Counted++
	if moves {
		c.people.Moving++
	}
	for _, tag := range c.left {
		c.people.leaving[tag]++
	}
}

// isListed reports whether another Comparison listed the person for the same move.
func (c *Counter) isListed(id []byte, header, from, to string) bool {
	for _, p := range slices.Backward(c.people.List) {
		if p.ID != string(id) {
			return false
		}
		if p.TagHeader == header && p.From == from && p.To == to {
			return true
		}
	}
	return false
}

func bucketOf(n int64) *uint32 {
	if n < 0 {
		return nil
	}
	b := uint32(n)
	return &b
}

// Done adds the counts to the Diff.
func (c *Counter) Done() {
	for i, cells := range c.cells {
		of := &c.diff.Comparisons[i]
		places := of.places()
		of.People = []Count{}
		for p, n := range cells {
			of.People = append(of.People, Count{p.from, p.to, n})
		}
		slices.SortFunc(of.People, func(a, b Count) int {
			return (places[a.From]-places[b.From])*2*len(places) + places[a.To] - places[b.To]
		})
	}
	c.diff.People = &c.people
}
