package simulation

import (
	"math"
	"testing"
)

// TestJudge checks that a share is skewed if chance does not explain it and it matters.
func TestJudge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		people, of int64
		want       Verdict
	}{
		{200_000, 1_000_000, AsExpected},
		{200_900, 1_000_000, AsExpected},     // 0.09 points, 2.2 standard deviations
		{2_009_000, 10_000_000, Uneven},      // 0.09 points, 7.1 standard deviations
		{19_000_000, 95_000_001, AsExpected}, // almost exact
		{2_011_000, 10_000_000, Skewed},      // 0.11 points, 8.7 standard deviations
		{1_989_000, 10_000_000, Skewed},
		{25, 100, AsExpected}, // 5 points, 1.2 standard deviations
	} {
		rs := []Rule{{People: tt.of, Shares: []Share{{Expected: 20, Observed: percent(tt.people, tt.of), People: tt.people}}}}
		if judge(rs); rs[0].Shares[0].Verdict != tt.want {
			t.Errorf("%d of %d: %+v, want %s", tt.people, tt.of, rs[0].Shares[0], tt.want)
		}
	}
}

// TestInterval compares with printed tables of exact intervals, and, for many people,
// with the normal distribution.
func TestInterval(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		k, n            int64
		miss, low, high float64
	}{
		{0, 10, 0.05, 0, 0.3085},
		{10, 10, 0.05, 0.6915, 1},
		{5, 10, 0.05, 0.1871, 0.8129},
		{1, 20, 0.01, 0.0003, 0.3171},
		{2_000_000, 10_000_000, 0.01, 0.2 - 2.5758*math.Sqrt(0.16/1e7), 0.2 + 2.5758*math.Sqrt(0.16/1e7)},
		{500_000_000, 1_000_000_000, 1e-5, 0.5 - 4.4172*math.Sqrt(0.25/1e9), 0.5 + 4.4172*math.Sqrt(0.25/1e9)},
	} {
		low, high := interval(tt.k, tt.n, tt.miss)
		within := max(5e-5/float64(tt.n), min(5e-5, 10/float64(tt.n)))
		if math.Abs(low-tt.low) > within || math.Abs(high-tt.high) > within {
			t.Errorf("interval(%d, %d, %g) = %v, %v, want %v, %v", tt.k, tt.n, tt.miss, low, high, tt.low, tt.high)
		}
	}
}

// TestChiSquare compares with a printed table, and checks that groups are folded until
// each has enough people.
func TestChiSquare(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		groups  []int64
		degrees int
		x, p    float64
	}{
		{[]int64{60, 40}, 1, 4, 0.0455},
		{[]int64{50, 50}, 1, 0, 1},
		{[]int64{5, 8, 9, 8, 10, 20}, 5, 13.4, 0.01991},
		{[]int64{3, 1, 3, 1}, 0, 0, 0},
		{[]int64{5, 0, 5, 0}, 1, 10, 0.001565},
		{[]int64{100}, 0, 0, 0},
		{nil, 0, 0, 0},
	} {
		got := chiSquare(tt.groups)
		if (got == nil) != (tt.degrees == 0) {
			t.Errorf("chiSquare(%v) = %v", tt.groups, got)
		} else if got != nil && (got.Degrees != tt.degrees || math.Abs(got.ChiSquare-tt.x) > 1e-6 || math.Abs(got.P-tt.p) > tt.p/1000) {
			t.Errorf("chiSquare(%v) = %+v, want %v of %d, %v", tt.groups, *got, tt.x, tt.degrees, tt.p)
		}
	}
}

// TestGroups checks that groups are as many as possible, and divide the buckets.
func TestGroups(t *testing.T) {
	t.Parallel()
	for modulo, want := range map[uint32]uint32{1: 1, 2: 2, 100: 100, 9999: 9999, 10_000: 10_000, 10_002: 5001, 1_000_000: 10_000, 999_983: 1} {
		if got := groupsOf(modulo); got != want {
			t.Errorf("groupsOf(%d) = %d, want %d", modulo, got, want)
		}
	}
}
