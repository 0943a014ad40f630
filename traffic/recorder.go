package traffic

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/state"
)

// lookEvery is how often a Recorder looks whether a sample is due, or whether other rules
// decide.
const lookEvery = time.Second

// A Recorder remembers samples of the counters of a processor. It is safe for concurrent
// use.
type Recorder struct {
	counts func() processor.Counts

	mu       sync.Mutex
	table    *rules.Table // that decided when it last looked
	requests history
	ofRules  []*ofRule // by index of table's rules; nil: the rule is not tallied
}

// ofRule is the history of one rule since it began to decide as it does.
type ofRule struct {
	history

	tally  *processor.Tally
	ranges []uint32 // of its policies
}

// New returns a Recorder of the counters that counts returns, from now on.
func New(counts func() processor.Counts) *Recorder {
	r := &Recorder{counts: counts}
	r.sync()
	return r
}

// Run looks at the counters until ctx ends.
func (r *Recorder) Run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		r.sync()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// sync begins a new history of each rule that decides otherwise than before, and keeps
// the samples that are due.
func (r *Recorder) sync() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.look()
}

// look is sync under the lock. It returns what it saw, and when.
func (r *Recorder) look() (c processor.Counts, now time.Time) {
	c, now = r.counts(), time.Now()
	r.requests.record(now, countsOf(&c))
	if c.Table != r.table {
		r.begin(&c)
	}
	var sample []uint32
	for _, of := range r.ofRules {
		if of != nil && of.due(now) {
			sample = of.tally.Sample(sample[:0])
			of.record(now, sample)
		}
	}
	return c, now
}

// due reports whether a sample is due in any window.
func (h *history) due(now time.Time) bool {
	last := h[0]
	return len(last) == 0 || now.Sub(last[len(last)-1].at) >= windows[0].step
}

// begin makes room for the rules of another table. Rules that have not changed go on.
func (r *Recorder) begin(c *processor.Counts) {
	before := r.ofRules
	r.table, r.ofRules = c.Table, nil
	if c.Table == nil {
		return
	}
	for i, rule := range c.Table.Rules() {
		tally := c.Tallies[i]
		if tally == nil {
			r.ofRules = append(r.ofRules, nil)
			continue
		}
		of := &ofRule{tally: tally}
		for _, p := range rule.Policies {
			of.ranges = append(of.ranges, p.Range)
		}
		switch j := slices.IndexFunc(before, func(b *ofRule) bool { return b != nil && b.tally == tally }); {
		case j < 0:
			of.record(tally.Since, make([]uint32, len(tally.Tags)*tally.Groups))
		case slices.Equal(before[j].ranges, of.ranges):
			of = before[j]
		}
		r.ofRules = append(r.ofRules, of)
	}
}

// countsOf returns the messages of all outcomes, the requests, and the replies by their
// durations, to be counted by differences.
func countsOf(c *processor.Counts) (counts []uint32) {
	for _, name := range processor.Outcomes() {
		counts = append(counts, uint32(c.Outcomes[name]))
	}
	counts = append(counts, uint32(c.Requests()))
	for _, n := range c.Durations {
		counts = append(counts, uint32(n))
	}
	return counts
}

// Read returns the requests of the last 1, 5 and 60 minutes, the table that decides, and
// what its rules did in these times, by index of its rules: nil for those that are not
// tallied.
func (r *Recorder) Read() (requests []state.Requests, t *rules.Table, observed [][]state.Observed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, now := r.look()
	all := countsOf(&c)
	for w := range windows {
		risen, length := r.requests.since(w, now, all)
		requests = append(requests, requestsOf(risen, length))
	}
	var sample []uint32
	for _, of := range r.ofRules {
		if of == nil {
			observed = append(observed, nil)
			continue
		}
		sample = of.tally.Sample(sample[:0])
		var in []state.Observed
		for w := range windows {
			risen, length := of.since(w, now, sample)
			o := observedOf(of.tally, risen, length)
			in = append(in, o)
			for _, n := range o.Requests {
				requests[w].Decisions = hundredths(requests[w].Decisions + rate(n, length))
			}
		}
		observed = append(observed, in)
	}
	return requests, c.Table, observed
}

// Table returns the table that decides; nil: there is none yet.
func (r *Recorder) Table() *rules.Table { return r.counts().Table }

func requestsOf(risen []uint32, length time.Duration) state.Requests {
	names := processor.Outcomes()
	made := state.Requests{Seconds: seconds(length), PerSecond: rate(risen[len(names)], length), Outcomes: map[string]uint32{}}
	for i, name := range names {
		if risen[i] > 0 {
			made.Outcomes[name] = risen[i]
		}
	}
	made.Latency = latencyOf(risen[len(names)+1:])
	return made
}

// latencyOf returns in which times replies were made, by how many were made within each
// of processor.DurationBounds, and in any time. Without any it returns nil.
func latencyOf(within []uint32) *state.Latency {
	last := len(within) - 1
	if last < 0 || within[last] == 0 {
		return nil
	}
	bound := func(percent uint64) float64 {
		for i, b := range processor.DurationBounds() {
			if 100*uint64(within[i]) >= percent*uint64(within[last]) {
				return b
			}
		}
		return 0
	}
	return &state.Latency{P50: bound(50), P99: bound(99)}
}

// observedOf returns what risen, the cells of a tally, says.
func observedOf(t *processor.Tally, risen []uint32, length time.Duration) state.Observed {
	o := state.Observed{Seconds: seconds(length)}
	groups := make([]uint32, t.Groups)
	total := uint32(0)
	for tag := range t.Tags {
		sum := uint32(0)
		for i, n := range risen[tag*t.Groups : (tag+1)*t.Groups] {
			groups[i] += n
			sum += n
		}
		o.Requests = append(o.Requests, sum)
		total += sum
	}
	if total == 0 {
		return o
	}
	n := effective(groups, weightsOf(t.Groups, t.Modulo))
	for _, requests := range o.Requests {
		low, high := interval(float64(requests)/float64(total), n)
		o.Low, o.High = append(o.Low, percent(low)), append(o.High, percent(high))
	}
	return o
}

// seconds returns a time in whole seconds, up.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// rate returns n per second.
func rate(n uint32, in time.Duration) float64 {
	if in < time.Second {
		in = time.Second
	}
	return hundredths(float64(n) / in.Seconds())
}

// hundredths returns v to two decimals. Sums of such have more.
func hundredths(v float64) float64 { return math.Round(100*v) / 100 }
