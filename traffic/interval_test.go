package traffic

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// crowds are users, each of whom sends some number of requests.
var crowds = map[string]struct {
	users int
	sends func(r *rand.Rand) int
}{
	"one each":   {1000, func(*rand.Rand) int { return 1 }},
	"some more":  {1000, func(r *rand.Rand) int { return 1 + r.IntN(20) }},
	"heavy tail": {1000, func(r *rand.Rand) int { return int(min(5000, math.Pow(1-r.Float64(), -1))) }},
	"a few":      {40, func(r *rand.Rand) int { return 1 + r.IntN(100) }},
	"one alone":  {1, func(*rand.Rand) int { return 1000 }},
}

// seen puts the requests of a crowd into groups, those of the first groups having a tag.
func seen(r *rand.Rand, users int, sends func(*rand.Rand) int, groups, tagged int) (share float64, all []uint32) {
	all = make([]uint32, groups)
	with, total := 0, 0
	for range users {
		g, n := r.IntN(groups), sends(r)
		all[g] += uint32(n)
		total += n
		if g < tagged {
			with += n
		}
	}
	return float64(with) / float64(total), all
}

// TestIntervalHolds checks that the expected share is in the interval as often as it
// should be, whatever users send: in at least 98 of 100 runs. The binomial interval of
// the requests would be right in far fewer.
func TestIntervalHolds(t *testing.T) {
	t.Parallel()
	for name, c := range crowds {
		for _, share := range []int{1, 20, 50} {
			for _, groups := range []int{100, 10} {
				tagged := share * groups / 100
				if tagged == 0 {
					continue
				}
				r := rand.New(rand.NewPCG(uint64(share), uint64(groups)))
				const runs = 300
				right, binomial := 0, 0
				for range runs {
					got, all := seen(r, c.users, c.sends, groups, tagged)
					expected := float64(tagged) / float64(groups)
					if low, high := interval(got, effective(all, weightsOf(groups, groups))); low <= expected && expected <= high {
						right++
					}
					total := 0.0
					for _, n := range all {
						total += float64(n)
					}
					if low, high := interval(got, total); low <= expected && expected <= high {
						binomial++
					}
				}
				if right < runs*98/100 {
					t.Errorf("%s, %d%% of %d groups: the interval is right in %d of %d runs, want 98%%", name, share, groups, right, runs)
				}
				if name == "heavy tail" && binomial > runs*80/100 {
					t.Errorf("%s, %d%% of %d groups: the binomial interval is right in %d of %d runs: the crowd tells nothing", name, share, groups, binomial, runs)
				}
			}
		}
	}
}

// TestIntervalTells checks that a share which is wrong is found, where there are enough
// users to tell.
func TestIntervalTells(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	found := 0
	const runs = 200
	for range runs {
		got, all := seen(r, 20_000, crowds["some more"].sends, 100, 25)
		if low, _ := interval(got, effective(all, weightsOf(100, 100))); low > 0.20 {
			found++
		}
	}
	if found < runs*95/100 {
		t.Errorf("25%% in the place of 20%% is found in %d of %d runs, want 95%%", found, runs)
	}
}

// TestIntervalIsOne checks that bounds are bounds, for any counts.
func TestIntervalIsOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		groups := rapid.SliceOfN(rapid.Uint32Max(1<<24), 1, 100).Draw(t, "groups")
		modulo := rapid.IntRange(len(groups), 1_000_000).Draw(t, "modulo")
		weights := weightsOf(len(groups), modulo)
		sum := 0.0
		for i, w := range weights {
			if sum += w; w <= 0 {
				t.Fatalf("group %d of %d buckets weighs %v", i, modulo, w)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("the groups weigh %v together", sum)
		}
		share := rapid.Float64Range(0, 1).Draw(t, "share")
		n := effective(groups, weights)
		if low, high := interval(share, n); !(0 <= low && low <= share+1e-9 && share-1e-9 <= high && high <= 1) {
			t.Fatalf("the interval of %v in %v effective requests is %v to %v", share, n, low, high)
		}
	})
}
