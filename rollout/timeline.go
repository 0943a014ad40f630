package rollout

import (
	"cmp"
	"slices"
	"time"

	"github.com/tagproc/tagproc/rules"
)

// at returns the layout of an instant.
func (l *layout) at(t time.Time) *layout {
	then := l.clone()
	for i := range then.policies {
		p := &then.policies[i]
		if p.Ramp == nil {
			continue
		}
		p.Range = 0
		if step := p.StepAt(t); step >= 0 {
			p.Range = p.Ramp[step].Range
		}
	}
	return then
}

func (l *layout) clone() *layout {
	c := *l
	c.policies = slices.Clone(l.policies)
	return &c
}

// instants returns now, and when a ramp of the policies goes on after it, in their order.
func instants(now time.Time, all ...[]rules.Policy) []time.Time {
	times := []time.Time{now}
	for _, policies := range all {
		for i := range policies {
			for _, s := range policies[i].Ramp {
				if s.At.After(now) {
					times = append(times, s.At)
				}
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return slices.CompactFunc(times, time.Time.Equal)
}

// rest returns the index of the last policy where it takes all buckets that the others
// leave, from an instant on; -1: it does not.
func rest(policies []rules.Policy, modulo uint32, now time.Time) int {
	last := len(policies) - 1
	if last < 0 || policies[last].Range < modulo {
		return -1
	}
	for _, s := range policies[last].Ramp {
		if s.At.After(now) && s.Range < modulo {
			return -1
		}
	}
	return last
}

// rollBack takes all buckets from policy i, from an instant on. They go to the rest: if spare
// is set, a policy between the two begins behind them, so that it has what it had. Where its
// own buckets stand before and behind them, no beginning says that, and it takes them.
func (l *layout) rollBack(i int, now time.Time, spare bool) {
	if l.partitions {
		l.rollBackPartition(i, now)
		return
	}
	var gone []span
	first := make([]uint32, len(l.policies)) // bucket that a policy ever has
	for k := range first {
		first[k] = l.modulo
	}
	for _, t := range instants(now, l.policies) {
		then := l.at(t)
		gone = append(gone, then.spans(i)...)
		for k := i + 1; k < len(l.policies); k++ {
			if has := then.spans(k); len(has) > 0 {
				first[k] = min(first[k], has[0].from)
			}
		}
	}
	last := rest(l.policies, l.modulo, now)
	for k := i + 1; k < len(l.policies); k++ {
		q := &l.policies[k]
		if k == last {
			for _, s := range gone {
				q.From = min(q.From, s.from)
			}
			continue
		}
		if !spare {
			continue
		}
		from, most := q.From, min(first[k], slices.Max(ends(q)))
		for _, s := range gone {
			if s.from < most {
				from = max(from, min(s.to, most))
			}
		}
		begin(q, from)
	}
	p := &l.policies[i]
	p.Range = 0
	for k := range p.Ramp {
		p.Ramp[k].Range = 0
	}
}

// rollBackPartition takes all buckets from partition i: the next one that has some has them
// too, since partitions stand one behind the other, or else the rest.
func (l *layout) rollBackPartition(i int, now time.Time) {
	sizes := l.sizes()
	to := i + 1
	for to < len(sizes) && sizes[to] == 0 {
		to++
	}
	if to == len(sizes) {
		to = rest(l.policies, l.modulo, now)
	}
	if to >= 0 {
		sizes[to] += sizes[i]
	}
	sizes[i] = 0
	l.fill(sizes)
}

// begin has a policy begin at from. An end before that, of a time when it had no bucket
// from there on, comes to it.
func begin(p *rules.Policy, from uint32) {
	p.From = from
	raise := func(end *uint32) {
		if *end > 0 {
			*end = max(*end, from)
		}
	}
	raise(&p.Range)
	for k := range p.Ramp {
		raise(&p.Ramp[k].Range)
	}
}

// ends returns where a policy ends, now and at each step of its ramp.
func ends(p *rules.Policy) []uint32 {
	all := []uint32{max(p.From, p.Range)}
	for _, s := range p.Ramp {
		all = append(all, max(p.From, s.Range))
	}
	return all
}

// follow has policies begin earlier, if buckets that have a tag in old would be left without
// one: those that began where policy i ended, or else the rest.
func (l *layout) follow(i int, old *layout, now time.Time) {
	if l.partitions {
		return
	}
	least, most := l.modulo, uint32(0) // end of policy i from an instant on
	for _, t := range instants(now, l.policies[i:i+1]) {
		p := l.at(t).policies[i]
		least, most = min(least, max(p.From, p.Range)), max(most, p.From, p.Range)
	}
	ended := ends(&old.policies[i])
	last := rest(l.policies, l.modulo, now)
	for _, may := range []func(k int, q *rules.Policy) bool{
		func(_ int, q *rules.Policy) bool {
			return q.Ramp == nil && q.Range > 0 && slices.Contains(ended, q.From)
		},
		func(_ int, q *rules.Policy) bool { return q.Ramp != nil && slices.Contains(ended, q.From) },
		func(k int, _ *rules.Policy) bool { return k == last },
	} {
		first, strips := old.strips(l, now)
		if !strips {
			return
		}
		for k := range l.policies {
			end := least // where policy i, which comes first, has more, it keeps that
			if k < i {
				end = most
			}
			if q := &l.policies[k]; k != i && may(k, q) {
				l.lower(k, max(first, end), now)
			}
		}
	}
}

// lower has policy k begin at from, if it begins later and takes only buckets that no other
// policy has.
func (l *layout) lower(k int, from uint32, now time.Time) {
	before := l.policies[k].From
	if from >= before {
		return
	}
	was := l.clone()
	l.policies[k].From = from
	for _, t := range instants(now, l.policies) {
		had, has := was.at(t), l.at(t)
		for other := k + 1; other < len(l.policies); other++ { // those before it come first
			if !slices.Equal(had.spans(other), has.spans(other)) {
				l.policies[k].From = before
				return
			}
		}
	}
}

// strips returns the first bucket that has a tag in l at an instant from now on, and none in
// after, if there is one.
func (l *layout) strips(after *layout, now time.Time) (first uint32, strips bool) {
	first = l.modulo
	for _, t := range instants(now, l.policies, after.policies) {
		is := after.at(t).tagged()
		for _, s := range l.at(t).tagged() {
			for _, q := range is { // in their order, with room between them
				if q.from <= s.from {
					s.from = max(s.from, q.to)
				}
			}
			if s.from < s.to {
				first = min(first, s.from)
			}
		}
	}
	return first, first < l.modulo
}

// tagged returns the buckets that any policy has, in their order.
func (l *layout) tagged() []span {
	all := make([]span, 0, len(l.policies))
	for _, p := range l.policies {
		if p.From < p.Range {
			all = append(all, span{p.From, p.Range})
		}
	}
	return union(all)
}

// union returns the buckets of spans, in their order.
func union(spans []span) (out []span) {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for _, s := range spans {
		if last := len(out) - 1; last >= 0 && s.from <= out[last].to {
			out[last].to = max(out[last].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}
