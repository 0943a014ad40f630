package rollout

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tagproc/tagproc/rules"
)

// A layout is which policy of a rule has which buckets.
type layout struct {
	modulo     uint32
	partitions bool
	policies   []rules.Policy // as of one instant
}

// A span is buckets from from to below to.
type span struct{ from, to uint32 }

// gaps calls visit with the buckets that policy i may have, in their order: from its from
// on, what no earlier policy takes.
func (l *layout) gaps(i int, visit func(span) (more bool)) {
	taken := make([]span, 0, i+1)
	for _, p := range l.policies[:i] {
		if p.From < p.Range {
			taken = append(taken, span{p.From, p.Range})
		}
	}
	slices.SortFunc(taken, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	at := l.policies[i].From
	for _, t := range append(taken, span{l.modulo, l.modulo}) {
		if at < t.from && !visit(span{at, t.from}) {
			return
		}
		at = max(at, t.to)
	}
}

// count returns how many buckets policy i has.
func (l *layout) count(i int) (n uint32) {
	l.gaps(i, func(s span) bool {
		n += max(min(s.to, l.policies[i].Range), s.from) - s.from
		return true
	})
	return n
}

// tagged returns how many buckets any policy has.
func (l *layout) tagged() (n uint32) {
	for i := range l.policies {
		n += l.count(i)
	}
	return n
}

// resize gives policy i n buckets. Its end moves, and the policies behind it give way or
// take what it leaves.
func (l *layout) resize(i int, n uint32) error {
	had := l.count(i)
	switch {
	case n == had:
		return nil
	case l.partitions:
		return l.resizePartition(i, n, had)
	}
	p := &l.policies[i]
	tagged, end := l.tagged(), max(p.From, p.Range)
	left, most := n, uint32(0)
	to := uint32(0)
	l.gaps(i, func(s span) bool {
		size := min(s.to-s.from, left)
		if left -= size; size > 0 {
			to = s.from + size
		}
		most += s.to - s.from
		return true
	})
	if left > 0 {
		return l.tooMuch(i, most)
	}
	p.Range = to
	if n > had || l.tagged() >= tagged {
		return nil
	}
	for k := range l.policies { // who began where this one ended begins there still
		if q := &l.policies[k]; k != i && q.From == end && q.Ramp == nil && q.Range > 0 {
			q.From = max(p.From, p.Range)
		}
	}
	return nil
}

func (l *layout) resizePartition(i int, n, had uint32) error {
	sizes := make([]uint32, len(l.policies))
	free := l.modulo
	for k, p := range l.policies {
		sizes[k] = p.Range - p.From
		free -= sizes[k]
	}
	switch sizes[i] = n; {
	case n < had && i+1 < len(sizes):
		sizes[i+1] += had - n
	case n > had:
		need := n - had
		for k := i + 1; k < len(sizes); k++ {
			part := min(need, sizes[k])
			sizes[k], need = sizes[k]-part, need-part
		}
		if need > free {
			return l.tooMuch(i, n-(need-free))
		}
	}
	l.fill(sizes)
	return nil
}

// fill gives partitions sizes.
func (l *layout) fill(sizes []uint32) {
	from := uint32(0)
	for k, size := range sizes {
		l.policies[k].From, l.policies[k].Range = from, from+size
		from += size
	}
}

func (l *layout) tooMuch(i int, most uint32) error {
	return fmt.Errorf("%s can have %s at most: policies before it have the rest; give them less first, or with the same command", l.policies[i].TagValue, shareText(most, l.modulo))
}

// promote gives policy i all buckets.
func (l *layout) promote(i int) {
	if l.partitions {
		sizes := make([]uint32, len(l.policies))
		sizes[i] = l.modulo
		l.fill(sizes)
		return
	}
	for k := range l.policies[:i] {
		l.policies[k].Range = 0
	}
	l.policies[i].From, l.policies[i].Range = 0, l.modulo
}
