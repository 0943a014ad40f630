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
	policies   []rules.Policy // their ranges as of one instant
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

// spans returns the buckets that policy i has, in their order.
func (l *layout) spans(i int) (has []span) {
	l.gaps(i, func(s span) bool {
		if s.to = min(s.to, l.policies[i].Range); s.from < s.to {
			has = append(has, s)
		}
		return true
	})
	return has
}

// count returns how many buckets policy i has.
func (l *layout) count(i int) (n uint32) { return size(l.spans(i)) }

func size(spans []span) (n uint32) {
	for _, s := range spans {
		n += s.to - s.from
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
	l.policies[i].Range = to
	return nil
}

func (l *layout) resizePartition(i int, n, had uint32) error {
	sizes := l.sizes()
	free := l.modulo
	for _, size := range sizes {
		free -= size
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

func (l *layout) sizes() []uint32 {
	sizes := make([]uint32, len(l.policies))
	for k, p := range l.policies {
		sizes[k] = p.Range - p.From
	}
	return sizes
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
	return fmt.Errorf("%s can have %s at most: policies before it have the rest; give them less first, or with the same command", l.policies[i].TagValue, ShareText(most, l.modulo))
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
