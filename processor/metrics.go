package processor

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
)

// An outcome is the result of a message from Envoy: the label outcome of
// tagproc_messages_total.
type outcome int

const (
	tagged      outcome = iota // at least one tag was set, as a header or in the baggage
	cleaned                    // forged or other tags were removed, none was set
	unchanged                  // the rules decided, and changed nothing
	noRules                    // no rules are loaded yet
	overLimits                 // with the tags the request would exceed Envoy's limits
	malformed                  // the message could not be read
	passed                     // another phase than request_headers
	nothingDone                // no request in the message
	shed                       // request headers that came while too many messages were pending
	outcomes
)

var outcomeNames = [outcomes]string{
	tagged: "tagged", cleaned: "cleaned", unchanged: "unchanged", noRules: "no_rules",
	overLimits: "over_limits", malformed: "malformed", passed: "other_phase", nothingDone: "no_request", shed: "shed",
}

// Outcomes returns the values of the label outcome of tagproc_messages_total.
func Outcomes() []string { return outcomeNames[:] }

// metrics are the counters of a Processor.
type metrics struct {
	decisions *decisions
	absent    *prometheus.CounterVec
	messages  *messages
	panics    prometheus.Counter
	// baggageOverLimits counts requests that got their tags as headers only.
	baggageOverLimits prometheus.Counter

	duration prometheus.Histogram
}

// The help texts that need more than a line.
const (
	decisionsHelp = "Decisions by rule, and by the key that was taken. A rule decides nothing if it is off, superseded by an earlier one or without its keys. " +
		"Without a tag: reason no_policy, override of a user who gets none, or no_match if the rule does not match the request."
	messagesHelp = "Messages from Envoy by direction (gateway, or the work at a sidecar; unknown changes nothing) and outcome. Headers of a request were tagged; cleaned of forged tags; " +
		"unchanged by the rules; or left as they were: no_rules are loaded, over_limits of Envoy (forged tags are removed if that fits), " +
		"malformed, shed. The others are of an other_phase, or no_request. Messages that panicked are not counted here."
)

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		decisions: &decisions{counts: map[[5]string]*decided{}},
		messages:  &messages{},
		absent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tagproc_key_absent_total",
			Help: "Requests without this key, or with an empty one. Cookies and queries count only if a rule reads them; visitors count if they have no id yet.",
		}, []string{"key"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tagproc_panics_total",
			Help: "Messages left unchanged because of a panic, which is a bug.",
		}),
		baggageOverLimits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tagproc_baggage_over_limits_total",
			Help: "Requests whose tags are only headers, because with them the baggage would exceed 64 members or 8,192 bytes, or the request Envoy's limits. Forged members are still removed.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tagproc_decision_duration_seconds",
			Help:    "Time from a request_headers message to its reply, without gRPC.",
			Buckets: durationBounds,
		}),
	}
	if r != nil {
		r.MustRegister(m.decisions, m.absent, m.messages, m.panics, m.baggageOverLimits, m.duration)
	}
	return m
}

// durationBounds are the buckets of tagproc_decision_duration_seconds.
var durationBounds = []float64{250e-9, 500e-9, 1e-6, 2.5e-6, 5e-6, 10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 1e-3, 10e-3}

// DurationBounds returns the upper bounds of Counts.Durations in seconds, without that of
// the last one, which has none.
func DurationBounds() []float64 { return durationBounds }

// durations returns Counts.Durations.
func (m *metrics) durations() (counts []uint64) {
	var read dto.Metric
	if err := m.duration.Write(&read); err != nil { // cannot fail: the labels are constant
		return make([]uint64, len(durationBounds)+1)
	}
	for _, b := range read.GetHistogram().GetBucket() {
		counts = append(counts, b.GetCumulativeCount())
	}
	return append(counts, read.GetHistogram().GetSampleCount())
}

// messages are the counters of messages. They lie apart from what each message reads.
type messages [directions][outcomes]atomic.Uint64

var messagesDesc = prometheus.NewDesc("tagproc_messages_total", messagesHelp, []string{"direction", "outcome"}, nil)

// Describe describes the counters to Prometheus.
func (m *messages) Describe(descs chan<- *prometheus.Desc) { descs <- messagesDesc }

// Collect gives Prometheus the counters: those of the gateway, and of every other
// direction from which a message came.
func (m *messages) Collect(all chan<- prometheus.Metric) {
	for d := range m {
		if contract.Direction(d) != contract.Gateway && !m.came(contract.Direction(d)) {
			continue
		}
		for o, name := range outcomeNames {
			all <- prometheus.MustNewConstMetric(messagesDesc, prometheus.CounterValue, float64(m[d][o].Load()), contract.Direction(d).String(), name)
		}
	}
}

func (m *messages) came(d contract.Direction) bool {
	for o := range m[d] {
		if m[d][o].Load() > 0 {
			return true
		}
	}
	return false
}

// decisions are the counters of decisions. Whoever decides has a counter and takes no
// lock.
type decisions struct {
	mu     sync.Mutex
	counts map[[5]string]*decided // by rule, mode, tag, reason, key
}

// A decided is what one series has: what was counted in it, and a part of a Tally.
type decided struct {
	atomic.Uint64

	part part
}

func (d *decided) total() uint64 { return d.Load() + d.part.sum() }

var decisionsDesc = prometheus.NewDesc("tagproc_decisions_total", decisionsHelp, []string{"rule", "mode", "tag", "reason", "key"}, nil)

// Describe describes the counters to Prometheus.
func (d *decisions) Describe(descs chan<- *prometheus.Desc) { descs <- decisionsDesc }

// Collect gives Prometheus the counters.
func (d *decisions) Collect(all chan<- prometheus.Metric) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for labels, n := range d.counts {
		all <- prometheus.MustNewConstMetric(decisionsDesc, prometheus.CounterValue, float64(n.total()), labels[:]...)
	}
}

// of returns the counter of a series, which begins at 0.
func (d *decisions) of(labels [5]string) *atomic.Uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.counts[labels] == nil {
		d.counts[labels] = &decided{}
	}
	return &d.counts[labels].Uint64
}

// keep ends the series that are not in after, and has the others go on with their parts
// there: what the parts before had counted is added to them.
func (d *decisions) keep(after map[[5]string]part) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for labels, n := range d.counts {
		now, is := after[labels]
		switch {
		case !is:
			delete(d.counts, labels)
		case now != n.part:
			n.Add(n.part.sum())
			n.part = now
		}
	}
}

// A series is a set of time series: the label values of those that have names
// from a Table for labels.
type series struct {
	decisions map[[5]string]part // by rule, mode, tag, reason, key
	absent    map[string]bool    // key
}

func newSeries() series {
	return series{decisions: map[[5]string]part{}, absent: map[string]bool{}}
}

// forget deletes the series of before that are not in after. A server that
// lives through thousands of reloads would otherwise export every rule it ever had. A
// rule that comes back counts from zero, which Prometheus takes for a restart. What a
// pending request adds to a deleted series, or by a rule that was edited, is lost.
func (m *metrics) forget(before, after series) {
	m.decisions.keep(after.decisions)
	for key := range before.absent {
		if !after.absent[key] {
			m.absent.DeleteLabelValues(key)
		}
	}
}

// absentOf returns the counter of requests without k, and adds it to s.
func (m *metrics) absentOf(k rules.Key, s series) prometheus.Counter {
	s.absent[k.String()] = true
	return m.absent.WithLabelValues(k.String())
}

// countersOf returns the counters of the decisions of r, nil for those that decide
// nothing, and adds them to s, with what the tally has of them. A rule that keeps its name
// keeps its counts over a reload.
func (m *metrics) countersOf(r rules.Rule, tally *Tally, s series) perDecision[*atomic.Uint64] {
	return newPerDecision(r, func(reason rules.Reason, tag, key string) *atomic.Uint64 {
		switch {
		case r.Mode == rules.ModeOff, reason == rules.ReasonOff, reason == rules.ReasonSuperseded, reason == rules.ReasonNoKey,
			reason == rules.ReasonNoMatch && r.Match.IsZero():
			return nil
		}
		labels := [5]string{r.Name, r.Mode.String(), tag, reason.String(), key}
		s.decisions[labels] = part{}
		if reason >= rules.ReasonPolicy {
			key := slices.IndexFunc(r.Keys, func(k rules.Key) bool { return k.String() == key })
			s.decisions[labels] = tally.of(key, tag)
		}
		return m.decisions.of(labels)
	})
}
