package main

import "slices"

// A series is one figure, measured once in each round.
type series []float64

// median is the middle value, or the mean of the two middle values.
func (s series) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// ratios divides round by round: a noisy machine slows both figures of a round.
func ratios(a, b series) series {
	r := make(series, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return r
}

// sums adds round by round.
func sums(a, b series) series {
	s := make(series, len(a))
	for i := range a {
		s[i] = a[i] + b[i]
	}
	return s
}

// differences takes b from a round by round.
func differences(a, b series) series {
	d := make(series, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}
