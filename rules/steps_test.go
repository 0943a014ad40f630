package rules

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestStepsOfModel compares steps with a bucket's first policy that asks for it.
func TestStepsOfModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const modulo = 12
		var reaches []reach
		for i := range rapid.IntRange(0, 6).Draw(rt, "policies") {
			reaches = append(reaches, reach{
				from: rapid.Uint32Range(0, modulo).Draw(rt, "from"), to: rapid.Uint32Range(0, modulo).Draw(rt, "to"),
				outcome: outcome{policy: int32(i), tag: int32(i)},
			})
		}
		p := program{modulo: modulo, steps: stepsOf(reaches)}
		for bucket := range uint32(modulo) {
			want := noPolicy
			for _, r := range slices.Backward(reaches) {
				if r.from <= bucket && bucket < r.to {
					want = r.outcome
				}
			}
			got := noPolicy
			if i := p.find(bucket); i < len(p.steps) {
				got = p.steps[i].outcome
			}
			if got != want {
				rt.Fatalf("bucket %d of %v goes to %v, want %v, by the steps %v", bucket, reaches, got, want, p.steps)
			}
		}
		for i, s := range p.steps {
			if i > 0 && (s.bound <= p.steps[i-1].bound || s.outcome == p.steps[i-1].outcome) {
				rt.Fatalf("steps %v of %v do not ascend, or repeat", p.steps, reaches)
			}
		}
		if n := len(p.steps); n > 0 && p.steps[n-1].outcome == noPolicy {
			rt.Fatalf("steps %v of %v end with nobody's", p.steps, reaches)
		}
	})
}

// TestRampOfModel compares the range at an instant with a walk through all steps.
func TestRampOfModel(t *testing.T) {
	start := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		var ramp []RampStep
		at := start
		for range rapid.IntRange(0, 5).Draw(rt, "steps") {
			at = at.Add(time.Duration(rapid.IntRange(1, 3).Draw(rt, "later")))
			ramp = append(ramp, RampStep{At: at, Range: rapid.Uint32Range(0, 100).Draw(rt, "range")})
		}
		now := start.Add(time.Duration(rapid.IntRange(-1, 17).Draw(rt, "now")))
		want := uint32(0)
		for _, s := range ramp {
			if !now.Before(s.At) {
				want = s.Range
			}
		}
		if got := rangeAt(ramp, now); got != want {
			rt.Fatalf("range at %v of %v = %d, want %d", now, ramp, got, want)
		}
	})
}
