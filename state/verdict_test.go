package state

import "testing"

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		requests  []uint32
		low, high float64
		expected  float64
		want      Verdict
	}{
		{[]uint32{0, 0}, 0, 0, 20, NoRequests},
		{[]uint32{20, 80}, 18, 22, 20, AsExpected},
		{[]uint32{20, 80}, 20, 22, 20, AsExpected},
		{[]uint32{25, 75}, 21, 29, 20, More},
		{[]uint32{15, 85}, 11, 19, 20, Fewer},
		{[]uint32{20, 80}, 5, 45, 20, TooFew},
		{[]uint32{80, 20}, 55, 95, 80, TooFew},
		{[]uint32{1, 99}, 0.5, 3, 1, TooFew},
		{[]uint32{7, 0}, 60, 100, 100, AsExpected},
		{[]uint32{0, 7}, 0, 40, 0, AsExpected},
	} {
		o := Observed{Requests: tt.requests, Low: []float64{tt.low, 0}, High: []float64{tt.high, 0}}
		if got := o.Verdict(0, tt.expected); got != tt.want {
			t.Errorf("of %d requests %v%% to %v%% where %v%% is expected: %q, want %q", tt.requests, tt.low, tt.high, tt.expected, got, tt.want)
		}
	}
}
