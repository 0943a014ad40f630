package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   series
		want float64
	}{
		{series{3}, 3},
		{series{9, 1}, 5},
		{series{5, 1, 100}, 5},
		{series{4, 1, 2, 100}, 3},
	} {
		before := append(series{}, tt.in...)
		if got := tt.in.median(); got != tt.want {
			t.Errorf("median of %v = %v, want %v", tt.in, got, tt.want)
		}
		if diff := cmp.Diff(before, tt.in); diff != "" {
			t.Errorf("median changed the rounds (-want +got):\n%s", diff)
		}
	}
}

// A round in which the machine was twice as slow changes no ratio. The ratio of
// the medians would be 2.
func TestRatiosArePaired(t *testing.T) {
	t.Parallel()
	got := ratios(series{10, 20, 20}, series{20, 10, 10})
	if diff := cmp.Diff(series{0.5, 2, 2}, got); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
	noisy := ratios(series{7, 14, 70}, series{10, 20, 100})
	if got := noisy.median(); got != 0.7 {
		t.Errorf("median of the ratios %v = %v, want 0.7", noisy, got)
	}
}

func TestGoalIsNotRounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		got  float64
		want bool
	}{{0.69, true}, {0.70, true}, {0.7000001, false}} {
		g := goal{limit: 0.70, got: series{tt.got}}
		if g.met() != tt.want {
			t.Errorf("a goal of 0.70 with %v: met = %v, want %v", tt.got, g.met(), tt.want)
		}
	}
}
