package shares

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/tagproc/tagproc/rules"
)

// drawRuler draws the buckets of a rule with a modulo up to most.
func drawRuler(t *rapid.T, most uint32) (ruler []Piece) {
	modulo := rapid.Uint32Range(1, most).Draw(t, "modulo")
	for from := uint32(0); from < modulo; {
		to := rapid.Uint32Range(from+1, modulo).Draw(t, "to")
		ruler = append(ruler, Piece{from, to, rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "tag")})
		from = to
	}
	return ruler
}

func tagAt(ruler []Piece, hash uint64) string {
	bucket := uint32(hash % total(ruler))
	for _, p := range ruler {
		if bucket < p.To {
			return p.Tag
		}
	}
	panic("a bucket behind the last piece")
}

// enumerated counts the first n hashes one by one.
func enumerated(a, b []Piece, n uint64) map[pair]uint64 {
	cases := map[pair]uint64{}
	for h := range n {
		cases[pair{tagAt(a, h), tagAt(b, h)}]++
	}
	return cases
}

// TestJoint checks counts by residues against those of a whole period of hashes.
func TestJoint(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawRuler(t, 60), drawRuler(t, 60)
		got, ok := joint(a, b)
		if want := enumerated(a, b, total(a)*total(b)/gcd(total(a), total(b))); !ok || !maps.Equal(got.cases, want) {
			t.Fatalf("joint(%v, %v) = %v, enumerated %v", a, b, got.cases, want)
		}
	})
}

// TestOverHashes checks counts of all hashes against an enumeration, and that even
// remainders are wrong by no more than the bound.
func TestOverHashes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, n := drawRuler(t, 60), drawRuler(t, 60), rapid.Uint64Range(1, 5000).Draw(t, "hashes")
		even, _ := joint(a, b)
		got, ok := overHashes(n, even, a, b)
		if want := enumerated(a, b, n); !ok || !maps.Equal(got.cases, want) || got.of != n {
			t.Fatalf("overHashes(%d, %v, %v) = %v, enumerated %v", n, a, b, got.cases, want)
		}
	})
}

// TestUnevenness checks the bound against the worst set of buckets, the first ones.
func TestUnevenness(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{1, 2, 3, 97, 100, 999_999, 1_000_000} {
		rest, whole := uint64(hashes)%n, uint64(hashes)/n
		// The first rest buckets have one hash more than the others.
		want := float64(rest*(whole+1))/hashes - float64(rest)/float64(n)
		if got := unevenness(rules.FNV1a32, n); got < want-1e-15 || got > want*1.000001+1e-15 {
			t.Errorf("unevenness of fnv1a32 by %d is %v, want %v", n, got, want)
		}
		if got := unevenness(rules.XXH3, n); got < 0 || got > float64(n)/4/(1<<63) {
			t.Errorf("unevenness of xxh3 by %d is %v", n, got)
		}
	}
	if got := unevenness(rules.FNV1a32, 1<<33); got != 1 {
		t.Errorf("unevenness of more buckets than hashes is %v, want 1", got)
	}
}
