package traffic

import (
	"math"
	"sync/atomic"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/tagproc/tagproc/processor"
)

// confidence is that of intervals.
const confidence = 0.99

// effective returns how many requests of different users would tell as much as these,
// which came from groups of users: groups[i] is how many came from one group and weights[i]
// the part of the users that is in it. It is fewer than all, by the factor by which the
// counts differ more than they do by chance, and fewer again where there are few groups
// to tell it from.
func effective(groups []uint32, weights []float64) float64 {
	total := 0.0
	for _, n := range groups {
		total += float64(n)
	}
	if total == 0 || len(groups) < 2 {
		return 0
	}
	chiSquare := 0.0
	for i, n := range groups {
		expected := total * weights[i]
		chiSquare += (float64(n) - expected) * (float64(n) - expected) / expected
	}
	freedom := float64(len(groups) - 1)
	spread := max(1, chiSquare/freedom)
	return total / spread * fewGroups(len(groups))
}

// ofGroups remembers fewGroups, which takes some time for each number.
var ofGroups [processor.MaxGroups + 1]atomic.Uint64 // a float64; 0: not computed yet

// fewGroups returns by which factor requests tell less where the spread is told from few
// groups, at most processor.MaxGroups.
func fewGroups(groups int) float64 {
	if known := ofGroups[groups].Load(); known != 0 {
		return math.Float64frombits(known)
	}
	normal := distuv.UnitNormal.Quantile(1 - (1-confidence)/2)
	student := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(groups - 1)}.Quantile(1 - (1-confidence)/2)
	factor := (normal / student) * (normal / student)
	ofGroups[groups].Store(math.Float64bits(factor))
	return factor
}

// interval returns bounds of a share that was seen in n effective requests: those of
// Korn and Graubard, which are those of Clopper and Pearson for a sample of clusters. n may
// be fractional.
func interval(share, n float64) (low, high float64) {
	const least = 1e-6 // of the parameters of a beta distribution that can be computed
	x := share * n
	high = 1
	if x > least {
		low = distuv.Beta{Alpha: x, Beta: n - x + 1}.Quantile((1 - confidence) / 2)
	}
	if n-x > least {
		high = distuv.Beta{Alpha: x + 1, Beta: n - x}.Quantile(1 - (1-confidence)/2)
	}
	return low, high
}

// weightsOf returns the part of the buckets that each group has.
func weightsOf(groups, modulo int) []float64 {
	weights := make([]float64, groups)
	first := func(group int) int { return (group*modulo + groups - 1) / groups }
	for i := range weights {
		weights[i] = float64(first(i+1)-first(i)) / float64(modulo)
	}
	return weights
}

// percent returns a share in percent, to two decimals.
func percent(share float64) float64 { return math.Round(share*10_000) / 100 }
