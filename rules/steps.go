package rules

import "slices"

// A reach is the buckets that a policy asks for, "from" up to below "to". It gets the
// ones that no earlier policy of the rule took.
type reach struct {
	from, to uint32
	outcome
}

// A step gives its outcome to the buckets below bound that no earlier step has. Where no
// policy takes them, the policy of the outcome is -1.
type step struct {
	bound uint32
	outcome
}

// noPolicy is the outcome of buckets between those of policies.
var noPolicy = outcome{policy: -1, tag: NoTag}

// stepsOf returns who gets which buckets if earlier reaches win: steps with strictly
// ascending bounds, up to the last bucket that is taken. It takes at most n log n time.
func stepsOf(reaches []reach) []step {
	var cuts []uint32 // where something may begin or end
	for _, r := range reaches {
		if r.from < r.to {
			cuts = append(cuts, r.from, r.to)
		}
	}
	if cuts == nil {
		return nil
	}
	cuts = append(cuts, 0)
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)

	// Cell i is the buckets from cuts[i] to below cuts[i+1]. Of taken cells free
	// leads to the next one that may be free.
	cells := len(cuts) - 1
	owners, free := make([]int, cells), make([]int, cells+1)
	for i := range free {
		free[i] = i
	}
	for i := range owners {
		owners[i] = -1
	}
	next := func(i int) int {
		last := i
		for free[last] != last {
			last = free[last]
		}
		for free[i] != last { // shorten the way
			free[i], i = last, free[i]
		}
		return last
	}
	for owner, r := range reaches {
		if r.from >= r.to {
			continue
		}
		cell, _ := slices.BinarySearch(cuts, r.from)
		for cell = next(cell); cell < cells && cuts[cell] < r.to; cell = next(cell) {
			owners[cell], free[cell] = owner, cell+1
		}
	}
	var steps []step
	for i, owner := range owners {
		if i > 0 && owner == owners[i-1] {
			steps[len(steps)-1].bound = cuts[i+1]
			continue
		}
		s := step{cuts[i+1], noPolicy}
		if owner >= 0 {
			s.outcome = reaches[owner].outcome
		}
		steps = append(steps, s)
	}
	return steps // the last cell ends where a reach does, so it is taken
}
