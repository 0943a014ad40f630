package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// Bounds of what is no list of its own in a State.
const (
	maxName     = 1000    // bytes of what a state says of its replica in a word
	maxKeys     = 8       // of a rule
	maxWindows  = 3       // of requests
	maxOutcomes = 32      // of a window
	maxObjects  = 1 << 15 // of a state as JSON: twice as many as the lists may have
	maxCut      = MaxText + len("…")
)

// Decode reads what a tagproc says at GET /state. An error says what is wrong: [State.Check]
// returns none then.
func Decode(text []byte) (*State, error) {
	if n := bytes.Count(text, []byte("{")); len(text) > MaxSize || n > maxObjects { // each takes memory before Check sees it
		return nil, fmt.Errorf("the answer is no state of a tagproc: it has %d bytes and %d objects, more than %d or %d", len(text), n, MaxSize, maxObjects)
	}
	s := &State{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	return s, nil
}

// Check returns an error if s is not what a tagproc says, so that whoever asks one can
// rely on what the types promise: the version, the clock, bounds of lists and texts, lists
// of one length, numbers in their ranges.
func (s *State) Check() error {
	switch {
	case s.StateVersion <= 0:
		return errors.New("the answer is no state: another program listens there")
	case s.StateVersion > Version:
		return fmt.Errorf("the state has version %d, and this tagproc reads %d: ask with a newer one", s.StateVersion, Version)
	case s.Now.IsZero():
		return errors.New("the answer is no state of a tagproc: it does not say what time it is there")
	}
	var c checker
	c.atMost("bytes of names", max(len(s.Version), len(s.Digest), len(s.Instance)), maxName)
	c.texts(s.NotReady, s.File)
	c.atMost("rules", len(s.Rules), MaxRules)
	c.atMost("windows of requests", len(s.Requests), maxWindows)
	for i := range s.Requests {
		r := &s.Requests[i]
		c.number("requests per second", r.PerSecond, math.MaxFloat64)
		c.number("decisions per second", r.Decisions, math.MaxFloat64)
		c.atMost("outcomes", len(r.Outcomes), maxOutcomes)
		for outcome := range r.Outcomes {
			c.texts(outcome)
		}
		if r.Latency != nil {
			c.number("seconds", max(r.Latency.P50, r.Latency.P99), math.MaxFloat64)
		}
	}
	c.atMost("reloads", len(s.Reloads), MaxReloads)
	for i := range s.Reloads {
		r := &s.Reloads[i]
		c.atMost("changes of a reload", len(r.Changes), MaxChanges)
		c.texts(r.Digest, r.Before)
		c.texts(r.Changes...)
		c.moving(r.Moving)
	}
	if s.Refusal != nil {
		c.atMost("problems", len(s.Refusal.Problems), MaxProblems)
		for _, p := range s.Refusal.Problems {
			c.texts(p.File, p.Kind, p.Message, p.Source)
		}
	}
	tags, pieces, ramps := 0, 0, 0
	for i := range s.Rules {
		r := &s.Rules[i]
		tags, pieces, ramps = tags+len(r.Tags), pieces+len(r.Ruler), ramps+len(r.Ramps)
	}
	c.atMost("tags", tags, MaxTags)
	c.atMost("pieces of rulers", pieces, MaxPieces)
	c.atMost("ramps", ramps, MaxTags)
	for i := range s.Rules {
		if c.wrong != "" {
			break
		}
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

func (c *checker) texts(all ...string) {
	for _, text := range all {
		c.atMost("bytes in a text", len(text), maxCut)
	}
}

func (c *checker) rule(r *Rule) {
	c.texts(r.Name, r.Mode, r.TagHeader, r.Match, r.Hash, r.Salt, r.Replaces)
	c.atMost("keys of a rule", len(r.Keys), maxKeys)
	c.texts(r.Keys...)
	for _, t := range r.Tags {
		c.texts(t.Tag)
		c.percent(t.Percent)
	}
	for _, p := range r.Ruler {
		c.texts(p.Tag)
	}
	c.moving(r.Moving)
	c.atMost("windows of a rule", len(r.Observed), maxWindows)
	for _, ramp := range r.Ramps {
		c.texts(ramp.Tag)
		c.atMost("steps of a ramp", len(ramp.Steps), MaxSteps)
		for _, s := range ramp.Steps {
			c.percent(s.Percent)
		}
		c.percent(ramp.Percent)
		if ramp.NextPercent != nil {
			c.percent(*ramp.NextPercent)
		}
	}
	for i := range r.Observed {
		o := &r.Observed[i]
		c.percent(o.Low...)
		c.percent(o.High...)
		if len(o.Requests) != len(r.Tags) || o.Total() > 0 && (len(o.Low) != len(r.Tags) || len(o.High) != len(r.Tags)) {
			c.fault("a rule has %d tags, and counts %d with %d bounds", len(r.Tags), len(o.Requests), min(len(o.Low), len(o.High)))
		}
	}
}
