package rules

import (
	"fmt"
	"strings"

	"github.com/tagproc/tagproc/source"
)

// overrides compiles the named users of a rule.
func (c *compiler) overrides(n *ruleNode, r *Rule, p *program) {
	line := map[string]int{}
	for i, o := range n.overrides.elements {
		c.overrideOutcome(&o)
		out := outcome{policy: int32(i), tag: NoTag}
		if o.tagValue.ok() {
			out.tag = c.tag(r.TagHeader, o.tagValue)
		}
		var values []string
		for _, v := range o.values.elements {
			if !v.ok() {
				continue
			}
			key := TrimBlanks(v.v)
			if wrong := checkOverrideValue(key); wrong != "" {
				c.file.problem(v.pos, KindOverride, fmt.Sprintf("the value %q %s", shorten(v.v), wrong))
				continue
			}
			if first, twice := line[key]; twice {
				c.file.problem(v.pos, KindOverride, fmt.Sprintf("the value %q is decided already in line %d; remove one of the two", shorten(key), first))
				continue
			}
			line[key] = v.pos.line
			values = append(values, key)
			if p.overrides == nil {
				p.overrides = map[string]outcome{}
			}
			p.overrides[key] = out
		}
		r.Overrides = append(r.Overrides, Override{Values: values, TagValue: o.tagValue.v})
	}
}

// overrideOutcome checks that an override says what its users get, once, and
// who they are.
func (c *compiler) overrideOutcome(o *overrideNode) {
	none := o.none.ok() && o.none.v
	switch {
	case none && o.tagValue.set:
		c.file.problem(o.tagValue.pos, KindOverride, "an override has either a tagValue or \"none: true\", not both")
	case !none && !o.tagValue.set && !o.none.bad:
		c.file.problem(o.pos, source.KindMissing, "this override does not say what its users get; add a tagValue, or \"none: true\" to keep them untagged")
	}
	if o.values.bad {
		return
	}
	if !o.values.set {
		c.file.problem(o.pos, source.KindMissing, "this override has no values; add the list of user ids that it decides for")
	} else if len(o.values.elements) == 0 {
		c.file.problem(o.values.pos, KindOverride, "this override names nobody; list user ids under values, or remove the override")
	}
}

// checkOverrideValue returns why no key can equal key, or "". HTTP allows no control characters in header values.
func checkOverrideValue(key string) string {
	switch {
	case key == "":
		return "is an empty key, to which no rule applies; name a user, or remove it"
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return "can never match: it has a control character"
	}
	return ""
}

// policies compiles the policies of a rule into steps of ascending bounds.
func (c *compiler) policies(n *ruleNode, r *Rule, p *program) {
	switch {
	case n.policies.bad:
	case !n.policies.set:
		c.file.problem(n.pos, KindNoPolicies, "this rule has no policies; add at least one with range and tagValue (range 0 matches nobody)")
	case len(n.policies.elements) == 0:
		c.file.problem(n.policies.pos, KindNoPolicies, "this list of policies is empty; add at least one with range and tagValue (range 0 matches nobody)")
	}
	widest, widestLine := -1, 0
	for i, e := range n.policies.elements {
		rng, ok := c.policyRange(e, r.Modulo)
		tag := c.policyTag(r.TagHeader, e)
		if !ok {
			continue
		}
		r.Policies = append(r.Policies, Policy{Range: uint32(rng), TagValue: e.tagValue.v})
		if rng <= widest {
			// Not for range 0, which says "nobody" by itself and is how a canary is rolled back.
			if rng > 0 {
				c.file.note(e.rng.pos, source.Warning, KindUnreachable, fmt.Sprintf("this policy can never match: the policy in line %d already takes all buckets below %d", widestLine, widest))
			}
			continue
		}
		widest, widestLine = rng, e.rng.pos.line
		if rng > 0 {
			p.steps = append(p.steps, step{uint32(rng), outcome{policy: int32(i), tag: tag}})
		}
	}
}

func (c *compiler) policyRange(e policyNode, modulo uint32) (rng int, ok bool) {
	switch {
	case e.rng.bad:
		return 0, false
	case !e.rng.set:
		c.file.problem(e.pos, source.KindMissing, "this policy has no range; add the number of buckets that it covers, counted from 0")
		return 0, false
	case modulo == 0: // the modulo is wrong, which has been reported
		return 0, false
	case e.rng.v < 0 || e.rng.v > int(modulo):
		c.file.problem(e.rng.pos, KindRange, fmt.Sprintf("range %d is not from 0 to %d, the modulo of the rule", e.rng.v, modulo))
		return 0, false
	}
	return e.rng.v, true
}

func (c *compiler) policyTag(header string, e policyNode) int32 {
	switch {
	case e.tagValue.bad:
		return NoTag
	case !e.tagValue.set:
		c.file.problem(e.pos, source.KindMissing, "this policy has no tagValue; add the value that its users get")
		return NoTag
	}
	return c.tag(header, e.tagValue)
}
