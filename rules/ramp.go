package rules

import (
	"slices"
	"time"
)

// A RampStep raises, or lowers, the range of a policy at an instant.
type RampStep struct {
	At    time.Time
	Range uint32 // 0 to the rule's modulo
}

// rangeAt returns the range of a ramp at t: the range of the last step that has come by
// then, and 0 before the first step.
func rangeAt(ramp []RampStep, t time.Time) uint32 {
	if i := stepAt(ramp, t); i >= 0 {
		return ramp[i].Range
	}
	return 0
}

// stepAt returns the index of the step of a ramp that is in force at t, or -1
// before the first.
func stepAt(ramp []RampStep, t time.Time) int {
	i, at := slices.BinarySearchFunc(ramp, t, func(s RampStep, t time.Time) int { return s.At.Compare(t) })
	if at {
		return i
	}
	return i - 1
}

// StepAt returns the index of the step of the policy's ramp that is in force at t, or
// -1 before the first.
func (p *Policy) StepAt(t time.Time) int { return stepAt(p.Ramp, t) }

// instantsOf returns the different instants of ramps, in their order.
func instantsOf(ramps [][]RampStep) (instants []time.Time) {
	for _, ramp := range ramps {
		for _, s := range ramp {
			instants = append(instants, s.At)
		}
	}
	slices.SortFunc(instants, time.Time.Compare)
	return slices.CompactFunc(instants, time.Time.Equal)
}

// A schedule is when the tables of a file with ramps decide.
type schedule struct {
	instants []time.Time
	stages   []*Table // one more than instants: stages[i] holds from instants[i-1] on
}

// At returns the Table that decides at now, and the instant at which the next Table
// takes over; zero: no Table follows. It depends on the file and now alone. Tables of one
// file share keys, tags, the rules' order and the digest.
func (t *Table) At(now time.Time) (in *Table, next time.Time) {
	if t.schedule == nil {
		return t, time.Time{}
	}
	s := t.schedule
	i, at := slices.BinarySearchFunc(s.instants, now, time.Time.Compare)
	if at {
		i++
	}
	if i < len(s.instants) {
		next = s.instants[i]
	}
	return s.stages[i], next
}

// Stages returns the Tables that At returns, in the order of time.
func (t *Table) Stages() []*Table {
	if t.schedule == nil {
		return []*Table{t}
	}
	return slices.Clone(t.schedule.stages)
}

// Instants returns when the Table changes by itself, in the order of time.
func (t *Table) Instants() []time.Time {
	if t.schedule == nil {
		return nil
	}
	return slices.Clone(t.schedule.instants)
}

// HasRamps reports whether the decisions depend on the time.
func (t *Table) HasRamps() bool { return t.schedule != nil }

// Since returns the instant from which the Table decides; zero: from the beginning,
// which is before the first step of every ramp.
func (t *Table) Since() time.Time {
	if t.stage == 0 {
		return time.Time{}
	}
	return t.schedule.instants[t.stage-1]
}

// rangeOf returns the range of a policy with a ramp, as the Table has it.
func (t *Table) rangeOf(p *Policy) uint32 {
	if t.stage == 0 {
		return 0
	}
	return rangeAt(p.Ramp, t.Since())
}

// formatInstant returns t as it stands in messages and digests: equal instants are
// the same text.
func formatInstant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
