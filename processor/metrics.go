package processor

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tagproc/tagproc/rules"
)

// An outcome says what became of a message from Envoy: the label outcome of
// tagproc_messages_total.
type outcome int

const (
	tagged      outcome = iota // at least one tag was set
	cleaned                    // forged tags were removed, none was set
	unchanged                  // the rules were asked, nothing was to be changed
	noRules                    // there are no rules yet
	overLimits                 // the tags would have taken the request over Envoy's limits
	malformed                  // the message could not be read
	passed                     // another phase than request_headers
	nothingDone                // no request in the message
	outcomes
)

var outcomeNames = [outcomes]string{
	tagged: "tagged", cleaned: "cleaned", unchanged: "unchanged", noRules: "no_rules",
	overLimits: "over_limits", malformed: "malformed", passed: "other_phase", nothingDone: "no_request",
}

// metrics are the counters of a Processor.
type metrics struct {
	decisions *prometheus.CounterVec
	absent    *prometheus.CounterVec
	messages  [outcomes]prometheus.Counter
	panics    prometheus.Counter
	duration  prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tagproc_decisions_total",
			Help: "Decisions by rule. A rule that is off, superseded by an earlier one or without its key decides nothing.",
		}, []string{"rule", "mode", "tag", "reason"}),
		absent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tagproc_key_absent_total",
			Help: "Requests without this key, or with an empty one: no rule of this key applied.",
		}, []string{"key"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tagproc_panics_total",
			Help: "Messages left unchanged because deciding on them panicked, which is a bug.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tagproc_decision_duration_seconds",
			Help:    "Time from a request_headers message to the reply to it, gRPC excluded.",
			Buckets: []float64{250e-9, 500e-9, 1e-6, 2.5e-6, 5e-6, 10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 1e-3, 10e-3},
		}),
	}
	messages := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tagproc_messages_total",
		Help: "Messages from Envoy by what became of them; those that panicked are not among them.",
	}, []string{"outcome"})
	for o, name := range outcomeNames {
		m.messages[o] = messages.WithLabelValues(name)
	}
	if r != nil {
		r.MustRegister(m.decisions, m.absent, messages, m.panics, m.duration)
	}
	return m
}

// ruleCounters are the counters of one rule for every decision that it can make.
type ruleCounters struct {
	noPolicy            prometheus.Counter
	overrides, policies []prometheus.Counter // by Decision.Policy
}

// countersOf returns the counters of r. A rule that keeps its name goes on
// counting where it was before a reload.
func (m *metrics) countersOf(r rules.Rule) ruleCounters {
	if r.Mode == rules.ModeOff {
		return ruleCounters{}
	}
	of := func(tag string, reason rules.Reason) prometheus.Counter {
		return m.decisions.WithLabelValues(r.Name, r.Mode.String(), tag, reason.String())
	}
	c := ruleCounters{noPolicy: of("", rules.ReasonNoPolicy)}
	for _, o := range r.Overrides {
		c.overrides = append(c.overrides, of(o.TagValue, rules.ReasonOverride))
	}
	for _, p := range r.Policies {
		c.policies = append(c.policies, of(p.TagValue, rules.ReasonPolicy))
	}
	return c
}

// count counts d, which is a decision of the rule.
func (c *ruleCounters) count(d *rules.Decision) {
	switch d.Reason {
	case rules.ReasonPolicy:
		c.policies[d.Policy].Inc()
	case rules.ReasonNoPolicy:
		c.noPolicy.Inc()
	case rules.ReasonOverride:
		c.overrides[d.Policy].Inc()
	}
}
