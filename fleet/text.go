package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/state"
)

// Summary returns in one line who agrees.
func (r *Report) Summary() string {
	text := fmt.Sprintf("%d of %d", r.Agreeing(), len(r.Replicas))
	switch {
	case r.Digest == "":
		text += "; there are no rules to agree on"
	case r.Agreeing() == 1:
		text += " has " + r.Digest
	default:
		text += " agree on " + r.Digest
	}
	if !r.Step.IsZero() {
		text += ", at the step of " + instant(r.Step)
	}
	if r.File != "" {
		text += ", the rules of " + r.File
	}
	return text
}

// WriteText writes r for people: who agrees, who does not and why, each replica, and what
// each rule did in the last 5 minutes.
func (r *Report) WriteText(t *terminal.Writer) error {
	style := terminal.Bold
	if !r.Agree {
		style = terminal.Alarm
	}
	t.Printf("%s\n", style.Textf("%s", r.Summary()))
	for i := range r.Replicas {
		for _, why := range r.Replicas[i].Differs {
			t.Printf("%s %s\n", terminal.Bold.Textf("%s", r.Replicas[i].Address), why)
		}
		for _, rule := range r.Replicas[i].Rules {
			t.Printf("  %s\n", rule)
		}
	}
	r.writeReplicas(t)
	for _, rule := range r.rules() {
		r.writeRule(t, rule)
	}
	return t.Err()
}

func (r *Report) writeReplicas(t *terminal.Writer) {
	if len(r.answered()) == 0 {
		return
	}
	t.Printf("\n")
	hasRamps := slices.ContainsFunc(r.answered(), func(r *Replica) bool { return r.State.Step != nil })
	t.Table(func(t *terminal.Writer) {
		steps := ""
		if hasRamps {
			steps = "step\tnext step\t"
		}
		t.Printf("replica\tversion\tdigest\tlive since\t" + steps + "clock\trequests/s\n")
		for _, replica := range r.answered() {
			s := replica.State
			t.Printf("%s\t%s\t%s\t%s\t", replica.Address, s.Version, cmp.Or(s.Digest, "-"), instant(s.LiveSince))
			switch {
			case s.Step != nil:
				t.Printf("%s\t%s\t", instant(s.Step.Since), instant(s.Step.Next))
			case hasRamps:
				t.Printf("-\t-\t")
			}
			t.Printf("%s\t%.1f\n", replica.clock(), requests(s))
		}
	})
	for _, replica := range r.answered() {
		if len(replica.AlsoAt) > 0 {
			t.Printf("%s is the same replica as %s\n", replica.Address, strings.Join(replica.AlsoAt, ", "))
		}
		if s := replica.State; s.Idle() > 0 {
			t.Printf("%s had no request in the last %d s: does Envoy ask this replica?\n", replica.Address, s.Idle())
		}
		if s := replica.State; s.NotReady != "" {
			t.Printf("%s is not ready: %s\n", replica.Address, s.NotReady)
		}
		if f := replica.State.Refusal; f != nil && !f.Present && len(f.Problems) > 0 {
			t.Printf("%s refused its rules file at %s, and has a good one since: %s\n", replica.Address, instant(f.At), f.Problems[0].String())
		}
	}
}

// answered returns the replicas that have a state.
func (r *Report) answered() (all []*Replica) {
	for i := range r.Replicas {
		if r.Replicas[i].State != nil {
			all = append(all, &r.Replicas[i])
		}
	}
	return all
}

// requests returns the requests per second of the last minute.
func requests(s *state.State) float64 {
	if len(s.Requests) == 0 {
		return 0
	}
	return s.Requests[0].PerSecond
}

// rules returns the rules of the digest that is agreed on, of any replica that has it.
func (r *Report) rules() []state.Rule {
	if holder := r.holder(r.Digest); holder != nil {
		return holder.State.Rules
	}
	return nil
}

// writeRule writes what the replicas observed of a rule.
func (r *Report) writeRule(t *terminal.Writer, rule state.Rule) {
	mode := ""
	if rule.Mode != "enforce" {
		mode = ", mode " + rule.Mode
	}
	t.Printf("\n%s %s\n", terminal.Bold.Textf("rule %s", rule.Name), terminal.Faint.Textf("(%s%s)", rule.TagHeader, mode))
	t.Table(func(t *terminal.Writer) {
		t.Printf("replica\ttag\texpected\tobserved\twith 99%% confidence\trequests\tin\tverdict\n")
		for _, replica := range r.answered() {
			s := replica.State
			for i := range s.Rules {
				if s.Digest == r.Digest && s.Rules[i].Name == rule.Name {
					writeObserved(t, replica.Address, &s.Rules[i])
				}
			}
		}
	})
}

func writeObserved(t *terminal.Writer, address string, rule *state.Rule) {
	total := 0
	if len(rule.Observed) > state.Window {
		total = rule.Observed[state.Window].Total()
	}
	for i, tag := range rule.Tags {
		if tag.Tag == "" && tag.Percent == 0 {
			continue // everybody has a tag
		}
		name := words.Tag(tag.Tag)
		if len(rule.Observed) <= state.Window {
			t.Printf("%s\t%s\t%s\t-\t-\t-\t-\tnot counted\n", address, name, words.Percent(tag.Percent, 4))
			continue
		}
		o := &rule.Observed[state.Window]
		bounds := "-"
		observed := "-"
		if total > 0 {
			decimals := o.Decimals(i, tag.Percent)
			observed, bounds = words.Percent(o.Percent(i), decimals), words.Percent(o.Low[i], decimals)+" to "+words.Percent(o.High[i], decimals)
		}
		t.Printf("%s\t%s\t%s\t%s\t%s\t%d of %d\t%d s\t%s\n", address, name, words.Percent(tag.Percent, 4), observed, bounds,
			o.Requests[i], total, o.Seconds, o.Verdict(i, tag.Percent))
	}
}
