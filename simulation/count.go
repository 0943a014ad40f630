package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/shares"
)

// IDs are ids of people: Next returns one, valid until the next call, or io.EOF.
type IDs interface {
	Next() ([]byte, error)
}

// Options are what a simulation does beside counting.
type Options struct {
	// Progress, if set, is called now and then with the number of ids that were read.
	Progress func(people int64)
}

// Run decides the rules of t for every one of ids, on all processors, and returns what
// came of it. It needs the same memory for any number of ids. An error is one of ids, that
// of ctx, or a [RepeatedError].
func Run(ctx context.Context, ids IDs, t *rules.Table, o Options) (*Report, error) {
	p := newPlan(t)
	workers := runtime.GOMAXPROCS(0)
	full, free := make(chan *batch, workers), make(chan *batch, 2*workers)
	for range cap(free) {
		free <- &batch{}
	}
	sums := make([]*tally, workers)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(full)
		return fill(ctx, ids, full, free, o.Progress)
	})
	for i := range sums {
		sums[i] = p.newTally()
		group.Go(func() error {
			c := counter{plan: p, tally: sums[i]}
			for b := range full {
				c.count(b)
				free <- b
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, s := range sums[1:] {
		sums[0].add(s)
	}
	return p.report(sums[0])
}

// A batch is some ids.
type batch struct {
	text []byte
	ends []int // of each id in text
}

// batchSize is how many ids go from the reader to a worker at a time.
const batchSize = 4096

// fill reads ids into batches.
func fill(ctx context.Context, ids IDs, full chan<- *batch, free <-chan *batch, progress func(int64)) error {
	for people := int64(0); ; {
		if progress != nil {
			progress(people)
		}
		var b *batch
		select {
		case b = <-free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		b.text, b.ends = b.text[:0], b.ends[:0]
		for len(b.ends) < batchSize {
			id, err := ids.Next()
			if errors.Is(err, io.EOF) {
				full <- b
				return nil
			}
			if err != nil {
				return err
			}
			b.text = append(b.text, id...)
			b.ends = append(b.ends, len(b.text))
		}
		if people += batchSize; people > MaxPeople {
			return fmt.Errorf("there are more than %d ids, the most that are counted: simulate a part of them", MaxPeople)
		}
		full <- b
	}
}

// A plan is what is counted.
type plan struct {
	table   *rules.Table
	rules   []rulePlan
	cohorts []cohort
	left    int // cohorts that are not compared, for there are too many
}

// A rulePlan is what is counted of a rule.
type rulePlan struct {
	rules.Rule
	expected  shares.Rule
	spread    bool   // its buckets are counted, and not those of an earlier rule with the same ones
	sameAs    int    // the rule that has its spread
	groups    uint32 // a divisor of the modulo
	policies  []int  // cohorts, by policy
	overrides []int  // cohorts, by override
}

// A cohort is the people who get a tag by a rule.
type cohort struct {
	rule int
	tag  string
}

const (
	maxCohorts = 24     // that are compared with each other
	maxGroups  = 10_000 // of a rule's buckets
	noCohort   = -1
)

func newPlan(t *rules.Table) *plan {
	p := &plan{table: t}
	type spreadID struct {
		hash   rules.Hash
		salt   string
		modulo uint32
	}
	first := map[spreadID]int{}
	expected := shares.Of(t)
	for i, r := range t.Rules() {
		rp := rulePlan{Rule: r, expected: expected[i], groups: groupsOf(r.Modulo)}
		id := spreadID{r.Hash, r.Salt, r.Modulo}
		owner, known := first[id]
		if rp.spread, rp.sameAs = !known, owner; !known {
			first[id], rp.sameAs = i, i
		}
		given := map[string]bool{}
		for _, o := range r.Overrides {
			given[o.TagValue] = true
		}
		cohorts := map[string]int{}
		for _, e := range rp.expected.Tags {
			switch {
			case e.Tag == "" || e.Share.Count == 0 && !given[e.Tag]:
				cohorts[e.Tag] = noCohort
			case len(p.cohorts) == maxCohorts:
				cohorts[e.Tag] = noCohort
				p.left++
			default:
				cohorts[e.Tag] = len(p.cohorts)
				p.cohorts = append(p.cohorts, cohort{i, e.Tag})
			}
		}
		for _, policy := range r.Policies {
			rp.policies = append(rp.policies, cohorts[policy.TagValue])
		}
		for _, o := range r.Overrides {
			rp.overrides = append(rp.overrides, cohorts[o.TagValue])
		}
		p.rules = append(p.rules, rp)
	}
	return p
}

// groupsOf returns the largest divisor of modulo that is at most maxGroups. Buckets with
// one remainder by it are a group, so that what a hash does with its lowest bits shows.
func groupsOf(modulo uint32) uint32 {
	for by := (modulo + maxGroups - 1) / maxGroups; ; by++ {
		if modulo%by == 0 {
			return modulo / by
		}
	}
}

// A tally is what was counted.
type tally struct {
	people    int64
	rules     []ruleTally
	cohorts   []int64 // people
	pairs     []int64 // people of two cohorts: of a and b, a before b, at a*maxCohorts+b
	different different
}

// A ruleTally is what was counted of a rule.
type ruleTally struct {
	policies []int64 // people by policy; the last one: none
	named    int64
	groups   []int64 // people by group of buckets; nil: counted in another rule
	xxh3     []int64 // the same by another hash; nil: it is that of the rule
}

func (p *plan) newTally() *tally {
	s := &tally{
		rules: make([]ruleTally, len(p.rules)), cohorts: make([]int64, len(p.cohorts)),
		pairs: make([]int64, maxCohorts*maxCohorts), different: newDifferent(),
	}
	for i := range p.rules {
		r := &p.rules[i]
		s.rules[i].policies = make([]int64, len(r.Policies)+1)
		if r.spread {
			s.rules[i].groups = make([]int64, r.groups)
		}
		if r.spread && r.Hash == rules.FNV1a32 {
			s.rules[i].xxh3 = make([]int64, r.groups)
		}
	}
	return s
}

func (s *tally) add(o *tally) {
	s.people += o.people
	sum(s.cohorts, o.cohorts)
	sum(s.pairs, o.pairs)
	s.different.add(&o.different)
	for i := range s.rules {
		s.rules[i].named += o.rules[i].named
		sum(s.rules[i].policies, o.rules[i].policies)
		sum(s.rules[i].groups, o.rules[i].groups)
		sum(s.rules[i].xxh3, o.rules[i].xxh3)
	}
}

func sum(to, from []int64) {
	for i, n := range from {
		to[i] += n
	}
}

// A counter counts the batches of one worker.
type counter struct {
	plan    *plan
	tally   *tally
	members []int // cohorts of the person at hand
}

func (c *counter) count(b *batch) {
	from := 0
	for _, end := range b.ends {
		c.person(b.text[from:end])
		from = end
	}
}

func (c *counter) person(id []byte) {
	s := c.tally
	s.people++
	s.different.note(id)
	c.members = c.members[:0]
	for i := range c.plan.rules {
		p, t, member := &c.plan.rules[i], &s.rules[i], noCohort
		switch d := c.plan.table.Decide(i, 0, id); d.Reason {
		case rules.ReasonOverride:
			t.named++
			member = p.overrides[d.Policy]
		case rules.ReasonPolicy:
			t.policies[d.Policy]++
			member = p.policies[d.Policy]
			t.spread(d.Bucket, p.groups, id)
		case rules.ReasonNoPolicy:
			t.policies[len(p.Policies)]++
			t.spread(d.Bucket, p.groups, id)
		}
		if member < 0 {
			continue
		}
		for _, m := range c.members {
			s.pairs[m*maxCohorts+member]++
		}
		c.members = append(c.members, member)
		s.cohorts[member]++
	}
}

// spread counts one whose bucket decides, if that is counted here.
func (t *ruleTally) spread(bucket, groups uint32, id []byte) {
	if t.groups == nil {
		return
	}
	t.groups[bucket%groups]++
	if t.xxh3 != nil {
		t.xxh3[rules.XXH3.Bucket(id, "", groups)]++
	}
}
