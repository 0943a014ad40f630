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

// TestDecimals checks that digits fit the interval, and that rounding contradicts no verdict.
func TestDecimals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		low, high, expected float64
		want                int
	}{
		{10.2, 38.4, 20, 0},       // of 59 requests
		{23.4, 25.9, 25, 1},       // of 48,112
		{19.98, 20.13, 20, 2},     // of millions
		{19.9998, 20.0001, 20, 4}, // of billions
		{0, 0, 0, 4},              // nobody
		{20.3, 40, 20, 1},         // 20 to 40 would not be more than 20
		{4, 19.98, 20, 2},         // 4 to 20 would not be fewer than 20
		{20.00001, 40, 20, 4},     // no digits are enough
		{60.4, 100, 100, 0},
	} {
		o := Observed{Requests: []uint32{1, 1}, Low: []float64{tt.low, 0}, High: []float64{tt.high, 0}}
		if got := o.Decimals(0, tt.expected); got != tt.want {
			t.Errorf("of %v%% to %v%% where %v%% is expected, %d decimals are said, want %d", tt.low, tt.high, tt.expected, got, tt.want)
		}
	}
	if got := new(Observed).Decimals(0, 20); got != 4 {
		t.Errorf("without requests %d decimals are said", got)
	}
}
