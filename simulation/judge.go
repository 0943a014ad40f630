package simulation

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// confidence is how sure all judgements of a report are together.
const confidence = 0.99

// unlikely is how often chance alone makes a report call a hash uneven. A hash that is, is
// far more unlikely than that with some thousand people.
const unlikely = 1e-4

// tolerance is the difference between an expected share and an observed one, in points of
// a percent, up to which a share is not skewed: with enough people every hash differs from
// chance by something.
const tolerance = 0.1

// fewest is the least number of people that is expected in each cell of a chi-square test.
const fewest = 5

// judge fills in what the shares of rules mean. The more shares there are, the wider is
// each interval: of a hundred shares at 99%, one would be outside by chance.
func judge(rs []Rule) {
	shares, tests := 0, 0
	for i := range rs {
		shares += len(rs[i].Shares)
		if rs[i].Spread != nil {
			tests++
		}
	}
	for i := range rs {
		r := &rs[i]
		for j := range r.Shares {
			s := &r.Shares[j]
			low, high := interval(s.People, r.People, (1-confidence)/float64(shares))
			s.Low, s.High = rounded(100*low), rounded(100*high)
			s.Verdict = AsExpected
			if s.Expected < s.Low || s.Expected > s.High {
				s.Verdict = Uneven
				if math.Abs(s.Observed-s.Expected) > tolerance {
					s.Verdict = Skewed
				}
			}
		}
		if r.Spread != nil {
			r.Spread.Even = r.Spread.P >= unlikely/float64(tests)
			if r.Spread.XXH3 != nil {
				r.Spread.XXH3.Even = r.Spread.XXH3.P >= unlikely/float64(tests)
			}
		}
	}
}

// interval returns the exact interval (of Clopper and Pearson) for a share, if k of n
// people were seen to have it. It is wrong at most as often as miss says.
func interval(k, n int64, miss float64) (low, high float64) {
	low, high = 0, 1
	if k > 0 {
		low = distuv.Beta{Alpha: float64(k), Beta: float64(n - k + 1)}.Quantile(miss / 2)
	}
	if k < n {
		high = distuv.Beta{Alpha: float64(k + 1), Beta: float64(n - k)}.Quantile(1 - miss/2)
	}
	return low, high
}

// chiSquare tests whether people are spread over groups of the same size as chance would
// spread them. It is nil where there are too few people to tell.
func chiSquare(groups []int64) *Test {
	n := int64(0)
	for _, people := range groups {
		n += people
	}
	cells := len(groups) // a divisor of the number of groups
	for cells > 1 && (len(groups)%cells != 0 || n < fewest*int64(cells)) {
		cells--
	}
	if cells < 2 {
		return nil
	}
	folded := make([]int64, cells)
	for i, people := range groups {
		folded[i%cells] += people
	}
	expected, x := float64(n)/float64(cells), 0.0
	for _, people := range folded {
		x += (float64(people) - expected) * (float64(people) - expected) / expected
	}
	p := distuv.ChiSquared{K: float64(cells - 1)}.Survival(x)
	return &Test{ChiSquare: rounded(x), Degrees: cells - 1, P: significant(p)}
}

// kinship judges one of several overlaps. Two tags are independent if those who have one
// have the other as often as all people do, as far as chance lets one see.
func kinship(o *Overlap, people int64, overlaps int) Kinship {
	switch {
	case o.A.People == 0 || o.B.People == 0:
		return Unknown
	case o.Both == max(o.A.People, o.B.People):
		return Same
	}
	low, high := interval(o.Both, o.A.People, (1-confidence)/float64(overlaps))
	share := float64(o.B.People) / float64(people)
	switch {
	case low <= share && share <= high || 100*math.Abs(share-float64(o.Both)/float64(o.A.People)) <= tolerance:
		return Independent
	case o.Both == 0:
		return Disjoint
	default:
		return Partial
	}
}
