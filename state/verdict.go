package state

import "math"

// A Verdict says what observed requests tell of an expected share.
type Verdict string

// The verdicts.
const (
	AsExpected Verdict = "as expected"
	More       Verdict = "more than expected"
	Fewer      Verdict = "fewer than expected"
	TooFew     Verdict = "too few requests to tell"
	NoRequests Verdict = "no requests"
)

// Total returns the requests of all tags.
func (o *Observed) Total() (n int) {
	for _, r := range o.Requests {
		n += int(r)
	}
	return n
}

// Percent returns the share of the tag of index i, in percent; 0 without requests.
func (o *Observed) Percent(i int) float64 {
	if total := o.Total(); total > 0 {
		return 100 * float64(o.Requests[i]) / float64(total)
	}
	return 0
}

// Decimals returns with how many decimals, 0 to 4, the share of the tag of index i and its
// bounds are worth saying: a digit that is a small part of the interval says nothing. More are
// said where fewer would put a bound on the other side of the expected share, in percent.
func (o *Observed) Decimals(i int, expected float64) int {
	const most = 4
	if o.Total() == 0 || o.High[i] <= o.Low[i] {
		return most
	}
	decimals := max(0, int(math.Ceil(-math.Log10((o.High[i]-o.Low[i])/4))))
	for ; decimals < most; decimals++ {
		unit := math.Pow10(decimals)
		if (math.Round(o.Low[i]*unit)/unit > expected) == (o.Low[i] > expected) && (math.Round(o.High[i]*unit)/unit < expected) == (o.High[i] < expected) {
			break
		}
	}
	return min(decimals, most)
}

// Verdict says whether the share of the tag of index i may be the expected one, in
// percent. An interval that is wider than the expected share, or than what that leaves of
// 100, tells nothing.
func (o *Observed) Verdict(i int, expected float64) Verdict {
	if o.Total() == 0 {
		return NoRequests
	}
	switch low, high := o.Low[i], o.High[i]; {
	case low > expected:
		return More
	case high < expected:
		return Fewer
	case expected > 0 && expected < 100 && high-low > min(expected, 100-expected):
		return TooFew
	}
	return AsExpected
}
