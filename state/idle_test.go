package state

import "testing"

// TestIdle checks when it is said that no request came.
func TestIdle(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		s    State
		want int
	}{
		"no requests":  {State{Digest: "d", Requests: []Requests{{Seconds: 63}, {Seconds: 304}}}, 304},
		"some":         {State{Digest: "d", Requests: []Requests{{Seconds: 63}, {Seconds: 304, Outcomes: map[string]uint32{"tagged": 1}}}}, 0},
		"no rules":     {State{Requests: []Requests{{Seconds: 63}, {Seconds: 304}}}, 0},
		"just started": {State{Digest: "d", Requests: []Requests{{Seconds: 2}, {Seconds: 2}}}, 0},
		"not said":     {State{Digest: "d"}, 0},
	} {
		if got := tt.s.Idle(); got != tt.want {
			t.Errorf("%s: idle for %d seconds, want %d", name, got, tt.want)
		}
	}
}
