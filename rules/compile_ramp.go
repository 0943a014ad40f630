package rules

import (
	"fmt"
	"time"

	"github.com/tagproc/tagproc/source"
)

// ramp sets the ramp of a policy.
func (c *compiler) ramp(n *policyNode, from int, modulo uint32, p *Policy) bool {
	if n.ramp.Bad {
		return false
	}
	if len(n.ramp.Elements) == 0 {
		c.file.problem(n.ramp.Place, KindRamp, "this ramp has no steps; add at least one with at and range")
		return false
	}
	if c.rampSteps += len(n.ramp.Elements); c.rampSteps > MaxRampSteps {
		c.file.problem(n.ramp.Place, KindRamp, fmt.Sprintf("the ramps up to this one have %d steps; a file has at most %d", c.rampSteps, MaxRampSteps))
		return false
	}
	fine := true
	wrong := func(p pos, k source.Kind, message string) {
		fine = false
		c.file.problem(p, k, message)
	}
	for i := range n.ramp.Elements {
		e := &n.ramp.Elements[i]
		switch {
		case !e.at.Set:
			wrong(e.pos, source.KindMissing, "this step of a ramp has no \"at\"; add the instant, such as 2026-12-01T09:00:00+01:00")
		case !e.rng.Set:
			wrong(e.pos, source.KindMissing, "this step of a ramp has no range; add the number of buckets that the policy covers from then on")
		}
		rng, ok := c.bucketNumber(e.rng, "range", modulo)
		if ok = ok && e.rng.Set && c.isAbove(e.rng.Place, from, rng); !ok || !e.at.OK() {
			fine = false
			continue
		}
		if last := len(p.Ramp) - 1; last >= 0 {
			before := p.Ramp[last]
			if !e.at.V.After(before.At) {
				wrong(e.at.Place, KindRamp, fmt.Sprintf("this step is not later than the one before it, at %s; list steps in the order of time", formatInstant(before.At)))
				continue
			}
			if uint32(rng) < before.Range && !(n.allowDecrease.OK() && n.allowDecrease.V) {
				wrong(e.rng.Place, KindRamp, fmt.Sprintf("range %d is below the range of the step before, %d: users would lose their tag; add \"allowDecrease: true\" to the policy if that is intended", rng, before.Range))
			}
		}
		p.Ramp = append(p.Ramp, RampStep{At: e.at.V, Range: uint32(rng)})
	}
	return fine
}

// countRampRanges returns the policies of a rule, or nil if the steps of ramps make too
// many ranges: every step has the ranges of all policies of its rule.
func (c *compiler) countRampRanges(n *ruleNode, made []madePolicy) []madePolicy {
	steps := 0
	for _, p := range made {
		steps += len(p.Ramp)
	}
	if c.rampRanges += steps * len(made); steps == 0 || c.rampRanges <= MaxRampRanges {
		return made
	}
	c.file.problem(n.policies.Place, KindRamp, fmt.Sprintf("the ramps up to this rule make %d ranges, each rule's steps times its policies; a file has at most %d: give the ramps fewer steps", c.rampRanges, MaxRampRanges))
	return nil
}

// stepsAt returns who gets which buckets at an instant; the zero instant is before
// every step of a ramp.
func stepsAt(policies []madePolicy, t time.Time) []step {
	reaches := make([]reach, len(policies))
	for i, p := range policies {
		to := p.Range
		if p.Ramp != nil {
			to = 0
			if !t.IsZero() {
				to = rangeAt(p.Ramp, t)
			}
		}
		reaches[i] = reach{p.From, to, outcome{policy: int32(i), tag: p.tag}}
	}
	return stepsOf(reaches)
}
