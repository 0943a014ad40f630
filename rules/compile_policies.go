package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tagproc/tagproc/source"
)

// A namedUser is a value of a key that an override names.
type namedUser struct {
	key   int // index into Rule.Keys, or anyKey
	value string
}

// anyKey is the key of a user who is named wherever the id stands.
const anyKey = -1

// overrides compiles the named users of a rule; nil: there are none.
func (c *compiler) overrides(n *ruleNode, r *Rule) (named map[namedUser]outcome) {
	line := map[namedUser]int{}
	for i := range n.overrides.elements {
		o := &n.overrides.elements[i]
		c.overrideOutcome(o)
		key, ok := c.overrideKey(o, r)
		out := outcome{policy: int32(i), tag: NoTag}
		if o.tagValue.ok() {
			out.tag = c.tag(r.TagHeader, o.tagValue)
		}
		var values []string
		for _, v := range o.values.elements {
			if !v.ok() {
				continue
			}
			value := TrimBlanks(v.v)
			if wrong := checkOverrideValue(value); wrong != "" {
				c.file.problem(v.pos, KindOverride, fmt.Sprintf("the value %q %s", source.Shorten(v.v), wrong))
				continue
			}
			if at := strings.IndexFunc(value, isUnseen); at >= 0 {
				unseen, _ := utf8.DecodeRuneInString(value[at:])
				c.file.note(v.pos, source.Warning, KindOverride, fmt.Sprintf("the value %q has the invisible character %U, and matches no id that is without it; delete it unless the ids have it", source.Shorten(v.v), unseen))
			}
			if first := decidedIn(line, key, value, len(r.Keys)); first > 0 {
				c.file.problem(v.pos, KindOverride, fmt.Sprintf("duplicate value %q (first at line %d); remove one", source.Shorten(value), first))
				continue
			}
			user := namedUser{key, value}
			line[user] = v.pos.Line()
			values = append(values, value)
			if named == nil {
				named = map[namedUser]outcome{}
			}
			if ok {
				named[user] = out
			}
		}
		made := Override{Values: values, TagValue: o.tagValue.v}
		if ok && key != anyKey {
			made.Key = &r.Keys[key]
		}
		r.Overrides = append(r.Overrides, made)
	}
	return named
}

// decidedIn returns the line in which a value is named already for the same key, or 0.
func decidedIn(line map[namedUser]int, key int, value string, keys int) int {
	if first := line[namedUser{anyKey, value}]; first > 0 {
		return first
	}
	if key != anyKey {
		return line[namedUser{key, value}]
	}
	for k := range keys {
		if first := line[namedUser{k, value}]; first > 0 {
			return first
		}
	}
	return 0
}

// overrideKey returns the index of the key that an override is about.
func (c *compiler) overrideKey(o *overrideNode, r *Rule) (key int, ok bool) {
	if o.key == nil {
		ids := slices.DeleteFunc(slices.Clone(r.Keys), func(k Key) bool { return k.Source == KeyVisitor })
		if len(ids) > 1 {
			c.file.note(o.pos, source.Warning, KindOverride, fmt.Sprintf("this override takes its users by any of the keys %s: whoever can set one of them can become a named user; add the key that is meant, such as \"key: {%s: %s}\"",
				keysText(ids), ids[0].Source, ids[0].Name))
		}
		return anyKey, true
	}
	k := Key{Source: KeyHeader, Name: strings.ToLower(o.key.header.v)}
	switch {
	case o.key.other:
		return anyKey, false
	case o.key.cookie.set:
		k = Key{KeyCookie, o.key.cookie.v}
	case o.key.query.set:
		k = Key{KeyQuery, o.key.query.v}
	case o.key.visitor != nil:
		k = Key{KeyVisitor, o.key.visitor.cookie.v}
	}
	if key = slices.Index(r.Keys, k); key < 0 && len(r.Keys) > 0 {
		c.file.problem(o.key.pos, KindOverride, fmt.Sprintf("the rule has no key %q; expected one of %s", k, keysText(r.Keys)))
	}
	return key, key >= 0
}

// overridesOf returns the named users by a key: of index key.
func overridesOf(named map[namedUser]outcome, key int) (of map[string]outcome) {
	for user, o := range named {
		if user.key == anyKey || user.key == key {
			if of == nil {
				of = map[string]outcome{}
			}
			of[user.value] = o
		}
	}
	return of
}

// overrideOutcome checks that an override says what its users get, once, and
// who they are.
func (c *compiler) overrideOutcome(o *overrideNode) {
	none := o.none.ok() && o.none.v
	switch {
	case none && o.tagValue.set:
		c.file.problem(o.tagValue.pos, KindOverride, "this override has both a tagValue and \"none: true\"; remove one")
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

// isUnseen reports whether r looks like a blank or like nothing, as what is copied from
// web pages has it: a no-break space, or a character without width.
func isUnseen(r rune) bool {
	return r > 0x7f && (unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zs, r))
}

// checkOverrideValue returns why no key can equal key, or "". HTTP allows no control characters in header values.
func checkOverrideValue(key string) string {
	switch {
	case key == "":
		return "is empty, and no rule applies to an empty key; name a user, or remove it"
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return "can never match: it has a control character"
	}
	return ""
}

// policies compiles the policies of a rule, or its partitions, and notes in which
// buckets they may be at some time.
func (c *compiler) policies(n *ruleNode, r *Rule) (made []madePolicy) {
	const ask = "add at least one with range and tagValue (range 0 matches nobody)"
	switch {
	case n.policies.set && n.partitions.set:
		c.file.problem(n.partitions.pos, source.KindDuplicateKey, "this rule has both policies and partitions; keep one: a partition says its size, a policy where it ends")
		return nil
	case n.partitions.set:
		return c.partitions(n, r)
	case n.policies.bad:
	case !n.policies.set:
		c.file.problem(n.pos, KindNoPolicies, "this rule has no policies; "+ask)
	case len(n.policies.elements) == 0:
		c.file.problem(n.policies.pos, KindNoPolicies, "this list of policies is empty; "+ask)
	}
	for i := range n.policies.elements {
		e := &n.policies.elements[i]
		p := Policy{TagValue: e.tagValue.v}
		from, ok := c.bucketNumber(e.from, "from", r.Modulo)
		ranged := c.policyRange(e, from, r.Modulo, &p)
		tag := c.policyTag(r.TagHeader, e.pos, e.tagValue, "policy")
		if ok && ranged {
			p.From = uint32(from)
			made = append(made, madePolicy{Policy: p, tag: tag, at: e.place()})
		}
	}
	return c.countRampRanges(n, made)
}

// countRampRanges returns the policies of a rule, none if the steps of ramps make too
// many ranges: every step has those of every policy of its rule.
func (c *compiler) countRampRanges(n *ruleNode, made []madePolicy) []madePolicy {
	steps := 0
	for _, p := range made {
		steps += len(p.Ramp)
	}
	if c.rampRanges += steps * len(made); steps == 0 || c.rampRanges <= MaxRampRanges {
		return made
	}
	c.file.problem(n.policies.pos, KindRamp, fmt.Sprintf("the ramps up to this rule make %d ranges, each rule's steps times its policies; a file has at most %d: give the ramps fewer steps", c.rampRanges, MaxRampRanges))
	return nil
}

// A madePolicy is a policy, its tag, and the place of its range.
type madePolicy struct {
	Policy
	tag int32
	at  pos
}

// place is where a policy says how far it goes.
func (n *policyNode) place() pos {
	if n.ramp.set {
		return n.ramp.pos
	}
	return n.rng.pos
}

// bucketNumber returns v, which is 0 where it is not there.
func (c *compiler) bucketNumber(v value[int], what string, modulo uint32) (n int, ok bool) {
	switch {
	case v.bad:
		return 0, false
	case modulo == 0: // the modulo is wrong, already reported
		return 0, false
	case v.v < 0 || v.v > int(modulo):
		c.file.problem(v.pos, KindRange, fmt.Sprintf("%s %d is not from 0 to %d, the modulo of the rule", what, v.v, modulo))
		return 0, false
	}
	return v.v, true
}

// policyRange sets the range of a policy, or its ramp.
func (c *compiler) policyRange(n *policyNode, from int, modulo uint32, p *Policy) bool {
	switch {
	case n.rng.set && n.ramp.set:
		c.file.problem(n.ramp.pos, source.KindDuplicateKey, "this policy has both a range and a ramp, whose steps have ranges; remove one")
		return false
	case n.ramp.set:
		return c.ramp(n, from, modulo, p)
	case n.allowDecrease.set:
		c.file.problem(n.allowDecrease.pos, KindRamp, "this policy has allowDecrease and no ramp; remove it, or add a ramp")
	case !n.rng.set:
		c.file.problem(n.pos, source.KindMissing, "this policy has no range; add the number of buckets that it covers, counted from 0")
		return false
	}
	rng, ok := c.bucketNumber(n.rng, "range", modulo)
	if ok = ok && c.isAbove(n.rng.pos, from, rng); ok {
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

func (c *compiler) policyTag(header string, p pos, v value[string], what string) int32 {
	switch {
	case v.bad:
		return NoTag
	case !v.set:
		c.file.problem(p, source.KindMissing, fmt.Sprintf("this %s has no tagValue; add the value that its users get", what))
		return NoTag
	}
	return c.tag(header, v)
}

// partitions makes policies of partitions, each of which begins where the one
// before ends.
func (c *compiler) partitions(n *ruleNode, r *Rule) (made []madePolicy) {
	if len(n.partitions.elements) == 0 && !n.partitions.bad {
		c.file.problem(n.partitions.pos, KindNoPolicies, "this list of partitions is empty; add at least one with partitionSize and tagValue")
	}
	end := 0
	for i := range n.partitions.elements {
		e := &n.partitions.elements[i]
		tag := c.policyTag(r.TagHeader, e.pos, e.tagValue, "partition")
		if !e.size.set {
			c.file.problem(e.pos, source.KindMissing, "this partition has no partitionSize; add the number of buckets that it has")
			continue
		}
		size, ok := c.bucketNumber(e.size, "partitionSize", r.Modulo)
		if !ok {
			continue
		}
		if end+size > int(r.Modulo) {
			c.file.problem(e.size.pos, KindRange, fmt.Sprintf("the partitions up to this one add up to %d buckets, and the modulo of the rule is %d; make them smaller", end+size, r.Modulo))
			return made
		}
		made = append(made, madePolicy{Policy: Policy{From: uint32(end), Range: uint32(end + size), TagValue: e.tagValue.v}, tag: tag, at: e.size.pos})
		end += size
	}
	return made
}

// ramp sets the ramp of a policy.
func (c *compiler) ramp(n *policyNode, from int, modulo uint32, p *Policy) bool {
	if n.ramp.bad {
		return false
	}
	if len(n.ramp.elements) == 0 {
		c.file.problem(n.ramp.pos, KindRamp, "this ramp has no steps; add at least one with at and range")
		return false
	}
	if c.rampSteps += len(n.ramp.elements); c.rampSteps > MaxRampSteps {
		c.file.problem(n.ramp.pos, KindRamp, fmt.Sprintf("the ramps up to this one have %d steps; a file has at most %d", c.rampSteps, MaxRampSteps))
		return false
	}
	fine := true
	wrong := func(p pos, k source.Kind, message string) {
		fine = false
		c.file.problem(p, k, message)
	}
	for i := range n.ramp.elements {
		e := &n.ramp.elements[i]
		switch {
		case !e.at.set:
			wrong(e.pos, source.KindMissing, "this step of a ramp has no \"at\"; add the instant, such as 2026-12-01T09:00:00+01:00")
		case !e.rng.set:
			wrong(e.pos, source.KindMissing, "this step of a ramp has no range; add the number of buckets that the policy covers from then on")
		}
		rng, ok := c.bucketNumber(e.rng, "range", modulo)
		if ok = ok && e.rng.set && c.isAbove(e.rng.pos, from, rng); !ok || !e.at.ok() {
			fine = false
			continue
		}
		if last := len(p.Ramp) - 1; last >= 0 {
			before := p.Ramp[last]
			if !e.at.v.After(before.At) {
				wrong(e.at.pos, KindRamp, fmt.Sprintf("this step is not later than the one before it, at %s; list steps in the order of time", formatInstant(before.At)))
				continue
			}
			if uint32(rng) < before.Range && !(n.allowDecrease.ok() && n.allowDecrease.v) {
				wrong(e.rng.pos, KindRamp, fmt.Sprintf("range %d is below the range of the step before, %d: users would lose their tag; add \"allowDecrease: true\" to the policy if that is intended", rng, before.Range))
			}
		}
		p.Ramp = append(p.Ramp, RampStep{At: e.at.v, Range: uint32(rng)})
	}
	return fine
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

// warnUnreached warns of policies that ask for buckets and never get one, at no
// stage of the ramps of the rule.
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
