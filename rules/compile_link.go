package rules

import (
	"slices"
	"time"
)

// sumID is what a hash depends on: it is computed once for each in a request.
type sumID struct {
	key  int
	hash Hash
	seed uint64
}

// link makes what Match executes, once everything of the file is known: what is
// looked at in a request, and who gets which buckets at which instants.
func (c *compiler) link() {
	t := c.table
	for _, r := range t.rules {
		for _, k := range r.Keys {
			c.keyIndex(k)
		}
	}
	var headers []string
	for _, v := range c.inputs {
		headers = append(headers, v.V)
	}
	t.in, t.keySlots = newInputs(headers, t.keys)

	var ramps [][]RampStep
	for _, made := range c.made {
		for _, p := range made {
			ramps = append(ramps, p.Ramp)
		}
	}
	instants := instantsOf(ramps)
	changes := make([][]change, len(instants))
	sums := map[sumID]int{}
	for i := range t.rules {
		p := c.program(i, sums)
		t.compiled = append(t.compiled, p)
		c.warnUnreached(c.made[i], c.changes(i, p, instants, changes))
	}
	t.sums = len(sums)
	if len(instants) == 0 {
		return
	}
	t.schedule = &schedule{instants: instants, stages: []*Table{t}}
	ramped := t.ramped
	for i := range instants {
		ramped = slices.Clone(ramped)
		for _, change := range changes[i] {
			ramped[change.ramp-1] = change.program
		}
		stage := *t
		stage.stage, stage.ramped = i+1, ramped
		t.schedule.stages = append(t.schedule.stages, &stage)
	}
}

// A change is a program that takes the place of an earlier one at an instant.
type change struct {
	ramp    int32 // program.ramp
	program *program
}

// program returns what Match executes of the rule of index i before the first step of
// its ramps.
func (c *compiler) program(i int, sums map[sumID]int) *program {
	t, r := c.table, &c.table.rules[i]
	p := &program{
		mode: r.Mode, hash: r.Hash, seed: r.Hash.Seed(r.Salt), modulo: r.Modulo,
		header: 1 << (max(0, slices.Index(c.headers, r.TagHeader)) % 32),
		when:   t.in.conditionsOf(r.Match), named: c.named[i], steps: stepsAt(c.made[i], time.Time{}),
	}
	for j, k := range r.Keys {
		id := sumID{c.keys[k], p.hash, p.seed}
		if _, ok := sums[id]; !ok {
			sums[id] = len(sums)
		}
		p.keys = append(p.keys, programKey{index: int8(j), source: k.Source, key: id.key, slot: t.keySlots[id.key], sum: sums[id], overrides: overridesOf(c.named[i], j)})
	}
	if len(p.keys) > 0 { // there is none where it was refused
		p.first, p.plain = p.keys[0], p.when == nil && len(p.keys) == 1 && p.keys[0].source == KeyHeader
	}
	return p
}

// changes adds the programs that take the place of p, that of the rule of index i, at
// the instants of its own ramps. It returns the different steps that the rule has.
func (c *compiler) changes(i int, p *program, instants []time.Time, changes [][]change) (different [][]step) {
	different = append(different, p.steps)
	var ramps [][]RampStep
	for _, made := range c.made[i] {
		ramps = append(ramps, made.Ramp)
	}
	own := instantsOf(ramps)
	if len(own) > 0 {
		c.table.ramped = append(c.table.ramped, p)
		p.ramp = int32(len(c.table.ramped))
	}
	for _, at := range own {
		steps := stepsAt(c.made[i], at)
		if slices.Equal(steps, p.steps) {
			continue
		}
		next := *p
		next.steps, p = steps, &next
		stage, _ := slices.BinarySearchFunc(instants, at, time.Time.Compare)
		changes[stage] = append(changes[stage], change{p.ramp, p})
		different = append(different, steps)
	}
	return different
}
