package chaos

import (
	"net/http"
	"slices"
	"time"
)

// An answer is what became of one request.
type answer struct {
	due     time.Duration // when it was to be sent, since the load started
	latency time.Duration // since then
	status  int           // 0: none came
	tags    verdict
}

// A verdict is whether the tags of an answer are right.
type verdict int

const (
	right    verdict = iota // exactly those of the user, of one generation that may be live
	untagged                // none
	wrong
)

// A summary counts answers.
type summary struct {
	sent, non200, untagged, wrong int // an answer other than 200 has no tags to judge
	slowest                       time.Duration
}

func (s *summary) add(more summary) {
	s.sent += more.sent
	s.non200 += more.non200
	s.untagged += more.untagged
	s.wrong += more.wrong
	s.slowest = max(s.slowest, more.slowest)
}

func summarize(answers []answer) summary {
	var s summary
	for _, a := range answers {
		s.sent++
		s.slowest = max(s.slowest, a.latency)
		switch {
		case a.status != http.StatusOK:
			s.non200++
		case a.tags == untagged:
			s.untagged++
		case a.tags == wrong:
			s.wrong++
		}
	}
	return s
}

// quantile returns the latency that the share q of the answers does not exceed.
func quantile(answers []answer, q float64) time.Duration {
	if len(answers) == 0 {
		return 0
	}
	var all []time.Duration
	for _, a := range answers {
		all = append(all, a.latency)
	}
	slices.Sort(all)
	return all[int(q*float64(len(all)-1))]
}

// lastUntagged looks for the last request that was due between from and to and went
// untagged. It returns how long after from it was due; 0 if there is none.
func lastUntagged(answers []answer, from, to time.Duration) time.Duration {
	var last time.Duration
	for _, a := range answers {
		if a.tags == untagged && a.due >= from && a.due < to {
			last = max(last, a.due-from)
		}
	}
	return last
}
