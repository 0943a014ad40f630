package shares

import (
	"fmt"
	"slices"
)

// constantWhy says on which side all users have one tag.
func constantWhy(b, a *Decider, from, to []Piece) string {
	say := func(when, did string, d *Decider, ruler []Piece) string {
		switch {
		case d == nil:
			return fmt.Sprintf("%s, no rule %s these users", when, did)
		case ruler[0].Tag == "":
			return fmt.Sprintf("%s, all of them have no tag", when)
		default:
			return fmt.Sprintf("%s, all of them have %s", when, ruler[0].Tag)
		}
	}
	if len(from) == 1 {
		return say("before", "decided for", b, from)
	}
	return say("after", "decides for", a, to)
}

// setShares sets the share of each tag before and after: in the order of the buckets
// before, then after, then those that overrides alone give; no tag is last.
func (c *Comparison) setShares(from, to []Piece) {
	known := map[string]bool{"": true}
	add := func(tag string) {
		if !known[tag] {
			known[tag] = true
			c.Shares = append(c.Shares, Shift{Tag: tag})
		}
	}
	for _, ruler := range [][]Piece{from, to} {
		for _, p := range ruler {
			add(p.Tag)
		}
	}
	for _, d := range []*Decider{c.Before, c.After} {
		if d == nil {
			continue
		}
		for _, o := range d.side.all[d.choice.rule].Overrides {
			add(o.TagValue)
		}
	}
	c.Shares = append(c.Shares, Shift{})
	before, after := distribution(from), distribution(to)
	for i := range c.Shares {
		s := &c.Shares[i]
		s.Before, s.After = Share{before[s.Tag], total(from)}, Share{after[s.Tag], total(to)}
	}
}

// setMoves sets the matrix, in the order of the shares, and who moves.
func (c *Comparison) setMoves(cases counts) {
	places := c.places()
	c.Moving.Of = cases.of
	for p, n := range cases.cases {
		c.Moves = append(c.Moves, Move{p.from, p.to, Share{n, cases.of}})
		if p.from != p.to {
			c.Moving.Count += n
		}
	}
	if c.Method == ByHashes {
		for i := range c.Shares { // are of hashes too, not of buckets
			c.Shares[i].Before, c.Shares[i].After = Share{Of: cases.of}, Share{Of: cases.of}
		}
		for p, n := range cases.cases {
			c.Shares[places[p.from]].Before.Count += n
			c.Shares[places[p.to]].After.Count += n
		}
	}
	slices.SortFunc(c.Moves, func(m, n Move) int {
		return (places[m.From]-places[n.From])*2*len(places) + places[m.To] - places[n.To]
	})
}

// places returns the index of each tag among the shares.
func (c *Comparison) places() map[string]int {
	places := make(map[string]int, len(c.Shares))
	for i, s := range c.Shares {
		places[s.Tag] = i
	}
	return places
}

// mostMoving returns the most users who may move where nothing is known but the shares:
// those who must keep a tag are more than can have another one before or after.
func mostMoving(from, to []Piece) Share {
	of := total(from) * total(to)
	keep, after := uint64(0), distribution(to)
	for tag, n := range distribution(from) {
		if both := n*total(to) + after[tag]*total(from); both > of {
			keep += both - of
		}
	}
	return Share{of - keep, of}
}

// setMoved sets the buckets whose tag changes, where those of one side say who moves.
func (c *Comparison) setMoved(from, to []Piece) {
	switch {
	case len(from) == 1 && c.After != nil:
		c.cohort, from = c.After, []Piece{{0, c.After.Modulo, from[0].Tag}}
	case len(to) == 1 && c.Before != nil:
		c.cohort, to = c.Before, []Piece{{0, c.Before.Modulo, to[0].Tag}}
	case c.Method == ByBuckets && total(from) == total(to):
		c.cohort = c.After
	default:
		return
	}
	x, y := walk{ruler: from}, walk{ruler: to}
	for at := uint64(0); at < total(from); {
		end := min(x.end(), y.end())
		if x.tag() != y.tag() {
			c.moved = append(c.moved, interval{uint32(at), uint32(end), x.tag()})
		}
		at = end
		x.to(at)
		y.to(at)
	}
}

// namedOf returns the users whom an override names, before or after, and who change the
// tag: those of before first.
func namedOf(b, a *Decider) []Named {
	named, seen := []Named{}, map[string]bool{}
	for _, d := range []*Decider{b, a} {
		if d == nil {
			continue
		}
		rule := d.side.all[d.choice.rule]
		for _, o := range rule.Overrides {
			if o.Key != nil && *o.Key != rule.Keys[d.choice.key] {
				continue
			}
			for _, user := range o.Values {
				from, _ := b.decide([]byte(user))
				to, _ := a.decide([]byte(user))
				if from != to && !seen[user] {
					named = append(named, Named{user, from, to})
				}
				seen[user] = true
			}
		}
	}
	return named
}
