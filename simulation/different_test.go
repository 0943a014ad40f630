package simulation

import (
	"fmt"
	"math"
	"testing"
)

// TestDifferent checks that ids are counted as they are, however many there are: the sets
// have as many bits as so many ids set, as far as chance goes.
func TestDifferent(t *testing.T) {
	t.Parallel()
	for _, n := range []float64{0, 1, 1000, 1e6, 80e6, 82e6, 200e6, 1e9, MaxPeople} {
		d := newDifferent()
		for i, ids := range []float64{n, n / sampled} {
			bits := math.Round(setBits * -math.Expm1(-ids/setBits))
			for bit := range uint32(bits) {
				set(d[i], bit)
			}
		}
		if got := float64(d.count()); math.Abs(got-n) > n/1000 {
			t.Errorf("%.0f different ids are counted as %.0f", n, got)
		}
	}
}

// TestDifferentIDs checks that both sets tell of real ids how many they are.
func TestDifferentIDs(t *testing.T) {
	t.Parallel()
	d := newDifferent()
	const n = 2_000_000
	for i := range 2 * n {
		d.note(fmt.Appendf(nil, "user-%d", i%n))
	}
	if got := d.count(); math.Abs(float64(got)/n-1) > 0.001 {
		t.Errorf("%d different ids are counted as %d", n, got)
	}
	d[0] = make([]uint64, setBits/64)
	for i := range d[0] {
		d[0][i] = math.MaxUint64
	}
	if got := d.count(); math.Abs(float64(got)/n-1) > 0.02 {
		t.Errorf("%d different ids are counted as %d by one in %d of them", n, got, sampled)
	}
}
