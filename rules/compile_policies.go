package rules

import (
	"fmt"
	"slices"

	"github.com/tagproc/tagproc/source"
)

// policies compiles the policies of a rule, or its partitions, and notes in which
// buckets they may be at some time.
func (c *compiler) policies(n *ruleNode, r *Rule) (made []madePolicy) {
	const ask = "add at least one with range and tagValue (range 0 matches nobody)"
	switch {
	case n.policies.Set && n.partitions.Set:
		c.file.problem(n.partitions.Place, source.KindDuplicateKey, "this rule has both policies and partitions; keep one: a partition says its size, a policy where it ends")
		return nil
	case n.partitions.Set:
		return c.partitions(n, r)
	case n.policies.Bad:
	case !n.policies.Set:
		c.file.problem(n.pos, KindNoPolicies, "this rule has no policies; "+ask)
	case len(n.policies.Elements) == 0:
		c.file.problem(n.policies.Place, KindNoPolicies, "this list of policies is empty; "+ask)
	}
	for i := range n.policies.Elements {
		e := &n.policies.Elements[i]
		p := Policy{TagValue: e.tagValue.V}
		from, ok := c.bucketNumber(e.from, "from", r.Modulo)
		ranged := c.policyRange(e, from, r.Modulo, &p)
		tag := c.policyTag(r.TagHeader, e.pos, e.tagValue, "policy")
		if ok && ranged {
			p.From = uint32(from)
			made = append(made, madePolicy{Policy: p, tag: tag, at: e.place()})
		}
	}
	c.warnOfScale(n, r, made)
	return c.countRampRanges(n, made)
}

// warnOfScale warns of policies whose ranges are those of a modulo ten times smaller, or a
// hundred times: a modulo was raised, and the ranges were not.
func (c *compiler) warnOfScale(n *ruleNode, r *Rule, made []madePolicy) {
	end := uint32(0)
	for _, p := range made {
		end = max(end, p.Range)
		for _, s := range p.Ramp {
			end = max(end, s.Range)
		}
	}
	if len(made) < 2 || end < DefaultModulo || !n.modulo.OK() {
		return
	}
	for factor := uint32(10); end*factor <= r.Modulo; factor *= 10 {
		if end*factor == r.Modulo {
			c.file.note(n.modulo.Place, source.Warning, KindScale, fmt.Sprintf(
				"the policies of this rule end at %d of %d buckets, so that users in the others get no tag; if the modulo was raised, multiply the ranges by %d too", end, r.Modulo, factor))
		}
	}
}

// A madePolicy is a policy, its tag, and the place of its range.
type madePolicy struct {
	Policy
	tag int32
	at  pos
}

// place is where a policy says how far it goes.
func (n *policyNode) place() pos {
	if n.ramp.Set {
		return n.ramp.Place
	}
	return n.rng.Place
}

// bucketNumber returns v, or 0 if v is absent.
func (c *compiler) bucketNumber(v source.Scalar[int], what string, modulo uint32) (n int, ok bool) {
	switch {
	case v.Bad:
		return 0, false
	case modulo == 0: // the modulo is wrong, already reported
		return 0, false
	case v.V < 0 || v.V > int(modulo):
		c.file.problem(v.Place, KindRange, fmt.Sprintf("%s %d is not from 0 to %d, the modulo of the rule", what, v.V, modulo))
		return 0, false
	}
	return v.V, true
}

// policyRange sets the range of a policy, or its ramp.
func (c *compiler) policyRange(n *policyNode, from int, modulo uint32, p *Policy) bool {
	switch {
	case n.rng.Set && n.ramp.Set:
		c.file.problem(n.ramp.Place, source.KindDuplicateKey, "this policy has both a range and a ramp, whose steps have ranges; remove one")
		return false
	case n.ramp.Set:
		return c.ramp(n, from, modulo, p)
	case n.allowDecrease.Set:
		c.file.problem(n.allowDecrease.Place, KindRamp, "this policy has allowDecrease and no ramp; remove it, or add a ramp")
	case !n.rng.Set:
		c.file.problem(n.pos, source.KindMissing, "this policy has no range; add the number of buckets that it covers, counted from 0")
		return false
	}
	rng, ok := c.bucketNumber(n.rng, "range", modulo)
	if ok = ok && c.isAbove(n.rng.Place, from, rng); ok {
		p.Range = uint32(rng)
	}
	return ok
}

// isAbove reports whether a policy that begins at from can end at rng. Range 0 is
// nobody, wherever the policy begins: so it is rolled back by one number.
func (c *compiler) isAbove(p pos, from, rng int) bool {
	if rng > 0 && rng < from {
		c.file.problem(p, KindRange, fmt.Sprintf("range %d is below from %d: a policy takes the buckets from \"from\" to below \"range\"", rng, from))
		return false
	}
	return true
}

func (c *compiler) policyTag(header string, p pos, v source.Scalar[string], what string) int32 {
	switch {
	case v.Bad:
		return NoTag
	case !v.Set:
		c.file.problem(p, source.KindMissing, fmt.Sprintf("this %s has no tagValue; add the value that its users get", what))
		return NoTag
	}
	return c.tag(header, v)
}

// partitions makes policies of partitions: each begins where the one before ends.
func (c *compiler) partitions(n *ruleNode, r *Rule) (made []madePolicy) {
	if len(n.partitions.Elements) == 0 && !n.partitions.Bad {
		c.file.problem(n.partitions.Place, KindNoPolicies, "this list of partitions is empty; add at least one with partitionSize and tagValue")
	}
	end := 0
	for i := range n.partitions.Elements {
		e := &n.partitions.Elements[i]
		tag := c.policyTag(r.TagHeader, e.pos, e.tagValue, "partition")
		if !e.size.Set {
			c.file.problem(e.pos, source.KindMissing, "this partition has no partitionSize; add the number of buckets that it has")
			continue
		}
		size, ok := c.bucketNumber(e.size, "partitionSize", r.Modulo)
		if !ok {
			continue
		}
		if end+size > int(r.Modulo) {
			c.file.problem(e.size.Place, KindRange, fmt.Sprintf("the partitions up to this one add up to %d buckets, and the modulo of the rule is %d; make them smaller", end+size, r.Modulo))
			return made
		}
		made = append(made, madePolicy{Policy: Policy{From: uint32(end), Range: uint32(end + size), TagValue: e.tagValue.V}, tag: tag, at: e.size.Place})
		end += size
	}
	c.warnOfScale(n, r, made)
	return made
}

// warnUnreached warns of policies that ask for buckets and get none at any stage of the
// rule's ramps.
func (c *compiler) warnUnreached(policies []madePolicy, stages [][]step) {
	reached := make([]bool, len(policies))
	for _, steps := range stages {
		for _, s := range steps {
			if s.policy >= 0 {
				reached[s.policy] = true
			}
		}
	}
	for i, p := range policies {
		asks := p.From < p.Range || slices.ContainsFunc(p.Ramp, func(s RampStep) bool { return p.From < s.Range })
		if asks && !reached[i] {
			c.file.note(p.at, source.Warning, KindUnreachable, "this policy can never match: "+c.takenBy(policies[:i], p))
		}
	}
}

// takenBy says which of earlier policies take what p asks for.
func (c *compiler) takenBy(earlier []madePolicy, p madePolicy) string {
	for _, e := range earlier {
		if e.From == 0 && e.Ramp == nil && e.Range >= p.Range && p.Ramp == nil {
			taken := fmt.Sprintf("the policy in line %d already takes all buckets below %d", e.at.Line(), e.Range)
			if p.Range > 0 && p.Range < e.Range { // no rollout ends so
				taken += "; put the smaller range first"
			}
			return taken
		}
	}
	return "earlier policies already take all of its buckets"
}
