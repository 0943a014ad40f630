package rollout

import (
	"fmt"
	"strings"
	"time"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A RampStep is the share that a tag has from an instant on.
type RampStep struct {
	Amount Amount
	At     time.Time
}

// ParseRamp reads steps such as "10%@2026-12-01T09:00:00+01:00" and "50%@+24h": from the
// step before it, and the first one from now.
func ParseRamp(now time.Time, texts ...string) ([]RampStep, error) {
	var steps []RampStep
	last := now
	for _, text := range texts {
		share, at, found := strings.Cut(text, "@")
		if !found {
			return nil, fmt.Errorf("%q: expected a share and an instant, such as 10%%@2026-12-01T09:00:00+01:00 or 50%%@+24h", text)
		}
		amount, err := ParseAmount(share)
		if err != nil {
			return nil, err
		}
		instant, err := parseInstant(last, at)
		if err != nil {
			return nil, err
		}
		if instant.Year() > lastYear {
			return nil, fmt.Errorf("%q is behind the year %d; expected an instant that an RFC 3339 timestamp can say", text, lastYear)
		}
		if len(steps) > 0 && !instant.After(last) {
			return nil, fmt.Errorf("%q is not later than the step before it, at %s; list steps in the order of time", text, last.Format(time.RFC3339))
		}
		steps, last = append(steps, RampStep{amount, instant}), instant
	}
	return steps, nil
}

// lastYear is the last year that RFC 3339 can write.
const lastYear = 9999

func parseInstant(last time.Time, text string) (t time.Time, err error) {
	if strings.HasPrefix(text, "+") {
		after, err := time.ParseDuration(text)
		if err != nil || after <= 0 {
			return t, fmt.Errorf("%q: expected a duration with its unit, such as +24h or +90m, of at most 292 years", text)
		}
		return last.Add(after).Add(time.Second - 1).Truncate(time.Second), nil
	}
	if err := t.UnmarshalText([]byte(text)); err != nil {
		return t, fmt.Errorf("%q: expected an instant with its offset, such as 2026-12-01T09:00:00+01:00, or a time from the step before, such as +24h", text)
	}
	return t, nil
}

// Ramp gives a tag of a rule a schedule, in the place of its range or of an earlier
// schedule. The share that it has now it keeps until the first step.
func (f *File) Ramp(rule int, now time.Time, tag string, steps ...RampStep) (*File, error) {
	e := f.edit(rule, now)
	i, err := e.policy(tag)
	switch {
	case err != nil:
		return nil, err
	case e.layout.partitions:
		return nil, fmt.Errorf("rule %s has partitions, which have no ramp; write policies instead", e.rule.Name)
	case len(steps) == 0:
		return nil, fmt.Errorf("a ramp has at least one step, such as 10%%@2026-12-01T09:00:00+01:00")
	}
	p := &e.rule.Policies[i]
	var ramp []rules.RampStep
	if has := e.layout.count(i); has > 0 && steps[0].At.After(now) {
		since := now.Truncate(time.Second)
		if at := p.StepAt(now); at >= 0 {
			since = p.Ramp[at].At
		}
		ramp = append(ramp, rules.RampStep{At: since, Range: p.Range})
	}
	falls := false
	for _, s := range steps {
		n, err := s.Amount.buckets(e.rule.Modulo)
		if err != nil {
			return nil, err
		}
		then := e.layout.at(s.At)
		if err := then.resize(i, n); err != nil {
			return nil, fmt.Errorf("at %s %w", s.At.Format(time.RFC3339), err)
		}
		rng := then.policies[i].Range
		falls = falls || len(ramp) > 0 && rng < ramp[len(ramp)-1].Range
		ramp = append(ramp, rules.RampStep{At: s.At, Range: rng})
	}
	old := e.layout.clone()
	hadRamp := p.Ramp != nil
	p.Ramp = ramp
	e.layout.follow(i, old, now)
	return e.writeRamp(i, hadRamp, falls)
}

func (e *edit) writeRamp(i int, hadRamp, falls bool) (*File, error) {
	path := []any{e.index, e.key, i}
	var list []any
	for _, s := range e.rule.Policies[i].Ramp {
		list = append(list, []source.Pair{{Key: "at", Value: s.At}, {Key: "range", Value: s.Range}})
	}
	steps := []step{put(path, "ramp", list, "range")}
	if !hadRamp {
		steps = append(steps, removedKey("range", path...))
	}
	if falls {
		steps = append(steps, put(path, "allowDecrease", true, "ramp"))
	} else {
		steps = append(steps, removedKey("allowDecrease", path...))
	}
	for k := range e.rule.Policies {
		steps = append(steps, e.from(k)...)
	}
	return e.file.apply(e.want, steps...)
}
