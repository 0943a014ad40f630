package state

import (
	"errors"
	"fmt"
	"math"
)

// maxName is the most bytes of what a state says of its replica in a word.
const maxName = 1000

// Check returns an error if s is not what a tagproc says, so that whoever asks one can
// rely on what the types promise: the version, bounds of lists, lists of one length,
// numbers in their ranges.
func (s *State) Check() error {
	switch {
	case s.StateVersion <= 0:
		return errors.New("the answer is no state: another program listens there")
	case s.StateVersion > Version:
		return fmt.Errorf("the state has version %d, and this tagproc reads %d: ask with a newer one", s.StateVersion, Version)
	}
	var c checker
	c.atMost("bytes of names", max(len(s.Version), len(s.Digest), len(s.Instance), len(s.NotReady)), maxName)
	c.atMost("rules", len(s.Rules), MaxRules)
	c.atMost("reloads", len(s.Reloads), MaxReloads)
	for i := range s.Requests {
		c.number("requests per second", s.Requests[i].PerSecond, math.MaxFloat64)
		if l := s.Requests[i].Latency; l != nil {
			c.number("seconds", max(l.P50, l.P99), math.MaxFloat64)
		}
	}
	for i := range s.Reloads {
		c.atMost("changes of a reload", len(s.Reloads[i].Changes), MaxChanges)
		c.moving(s.Reloads[i].Moving)
	}
	if s.Refusal != nil {
		c.atMost("problems", len(s.Refusal.Problems), MaxProblems)
	}
	for i := range s.Rules {
		c.rule(&s.Rules[i])
	}
	if c.wrong != "" {
		return fmt.Errorf("the answer is no state of a tagproc: %s", c.wrong)
	}
	return nil
}

// A checker notes the first thing that is wrong.
type checker struct{ wrong string }

func (c *checker) fault(format string, args ...any) {
	if c.wrong == "" {
		c.wrong = fmt.Sprintf(format, args...)
	}
}

func (c *checker) atMost(what string, n, most int) {
	if n > most {
		c.fault("it has %d %s, more than %d", n, what, most)
	}
}

func (c *checker) number(what string, x, most float64) {
	if !(0 <= x && x <= most) { // nor NaN
		c.fault("%g %s", x, what)
	}
}

func (c *checker) percent(all ...float64) {
	for _, x := range all {
		c.number("percent", x, 100)
	}
}

func (c *checker) moving(m *Moving) {
	if m != nil {
		c.percent(m.Percent)
	}
}

func (c *checker) rule(r *Rule) {
	for _, t := range r.Tags {
		c.percent(t.Percent)
	}
	for _, ramp := range r.Ramps {
		c.percent(ramp.Percent)
		if ramp.NextPercent != nil {
			c.percent(*ramp.NextPercent)
		}
		c.atMost("steps of a ramp", len(ramp.Steps), MaxSteps)
		for _, s := range ramp.Steps {
			c.percent(s.Percent)
		}
	}
	c.moving(r.Moving)
	for i := range r.Observed {
		o := &r.Observed[i]
		c.percent(o.Low...)
		c.percent(o.High...)
		if len(o.Requests) != len(r.Tags) || o.Total() > 0 && (len(o.Low) != len(r.Tags) || len(o.High) != len(r.Tags)) {
			c.fault("a rule has %d tags, and counts %d with %d bounds", len(r.Tags), len(o.Requests), min(len(o.Low), len(o.High)))
		}
	}
}
