package processor

import "github.com/tagproc/tagproc/rules"

// A perDecision has a T for each Decision that a rule can make.
type perDecision[T any] struct {
	overrides, policies []T                         // by Decision.Policy
	others              [rules.ReasonNoPolicy + 1]T // by Decision.Reason
}

// newPerDecision asks of for what it has for each reason and tag, "" being none.
func newPerDecision[T any](r rules.Rule, of func(reason rules.Reason, tag string) T) perDecision[T] {
	var p perDecision[T]
	for _, o := range r.Overrides {
		p.overrides = append(p.overrides, of(rules.ReasonOverride, o.TagValue))
	}
	for _, policy := range r.Policies {
		p.policies = append(p.policies, of(rules.ReasonPolicy, policy.TagValue))
	}
	for _, reason := range []rules.Reason{rules.ReasonOff, rules.ReasonSuperseded, rules.ReasonNoKey, rules.ReasonNoPolicy} {
		p.others[reason] = of(reason, "")
	}
	return p
}

// at returns what there is for d.
func (p *perDecision[T]) at(d *rules.Decision) T {
	switch d.Reason {
	case rules.ReasonPolicy:
		return p.policies[d.Policy]
	case rules.ReasonOverride:
		return p.overrides[d.Policy]
	default:
		return p.others[d.Reason]
	}
}
