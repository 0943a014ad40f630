package shares

import (
	"cmp"
	"slices"
)

// Moving returns how many users change any tag.
//
// It is exact where the tags of one header change, and where those of several change by
// the same buckets. Where several rules apply to different requests, and how many users
// those are is unknown, it is the greatest of their shares: an upper bound. Where tags
// of several headers change by unlike buckets, it is their sum: another one.
func (d *Diff) Moving() Figure { return d.Moves }

// Leaving returns how many users lose the tag, of whatever tag header. It is exact, or a
// bound, as Moving is.
func (d *Diff) Leaving(tag string) Figure {
	return d.atMost(figure(d.Comparisons, func(c *Comparison) happening {
		h := happening{share: Share{Of: cmp.Or(c.Moving.Of, 1)}}
		if c.Method == ByBound {
			h.share = c.mostLeaving(tag)
		}
		for _, m := range c.Moves {
			if m.From == tag && m.To != tag {
				h.share.Count += m.Share.Count
			}
		}
		for _, n := range c.Named {
			if n.From == tag {
				h.named = append(h.named, n)
			}
		}
		for _, i := range c.moved {
			if i.tag == tag {
				h.buckets = append(h.buckets, i)
			}
		}
		return h
	}))
}

// atMost returns f, or all where d does not know everybody who may move.
func (d *Diff) atMost(f Figure) Figure {
	if d.incomplete {
		f.Percent, f.AtMost = 100, true
	}
	return f
}

// mostLeaving returns the most users who may lose a tag where who is who is unknown.
func (c *Comparison) mostLeaving(tag string) Share {
	for _, s := range c.Shares {
		if s.Tag == tag {
			have := s.Before.Count * s.After.Of
			others := (s.After.Of - s.After.Count) * s.Before.Of
			return Share{min(have, others), s.Before.Of * s.After.Of}
		}
	}
	return Share{0, 1}
}

// A happening is to whom something happens in a Comparison.
type happening struct {
	share   Share
	named   []Named
	buckets []interval // none: they are not known
}

func moving(all []Comparison) Figure {
	return figure(all, func(c *Comparison) happening { return happening{c.Moving, c.Named, c.moved} })
}

// figure adds up what happens in comparisons.
func figure(all []Comparison, of func(*Comparison) happening) (f Figure) {
	users, most := map[string]bool{}, map[string]Share{} // the greatest share of each tag header
	var affected []string                                // tag headers
	var hit []*Comparison
	unlike, bound, several := false, false, false // shares of one header; several hits of one header
	for i := range all {
		c := &all[i]
		h := of(c)
		for _, n := range h.named {
			users[n.User] = true
		}
		last, known := most[c.TagHeader]
		unlike = unlike || known && h.share.compare(last) != 0
		if !known || h.share.compare(last) > 0 {
			most[c.TagHeader] = h.share
		}
		if h.share.Count == 0 {
			continue
		}
		hit, bound = append(hit, c), bound || c.Method == ByBound
		if slices.Contains(affected, c.TagHeader) {
			several = true
		} else {
			affected = append(affected, c.TagHeader)
		}
	}
	f.Named = len(users)
	if len(affected) > 1 && !several {
		if together, ok := union(hit, of); ok {
			f.Percent, f.AtMost = together.Percent(), unlike
			return f
		}
	}
	for _, h := range affected {
		f.Percent += most[h].Percent()
	}
	f.Percent, f.AtMost = min(100, f.Percent), unlike || bound || len(affected) > 1
	return f
}

// union returns the share of the buckets in which anything happens, if all of hit are
// about the same buckets of the same users.
func union(hit []*Comparison, of func(*Comparison) happening) (Share, bool) {
	var in []interval
	first := hit[0].cohort
	for _, c := range hit {
		buckets, a := of(c).buckets, c.cohort
		if a == nil || first == nil || a.Key != first.Key || a.Hash != first.Hash || a.Salt != first.Salt || a.Modulo != first.Modulo {
			return Share{}, false
		}
		in = append(in, buckets...)
	}
	slices.SortFunc(in, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	share, end := Share{Of: uint64(first.Modulo)}, uint32(0)
	for _, i := range in {
		if i.to > end {
			share.Count += uint64(i.to - max(i.from, end))
			end = i.to
		}
	}
	return share, true
}
