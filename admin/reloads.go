package admin

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/rollout"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
	"github.com/tagproc/tagproc/shares"
	"github.com/tagproc/tagproc/source"
	"github.com/tagproc/tagproc/state"
)

// Reloads are the states of the rules file that were found, for /state, and as metrics
// that are named as in Prometheus and Alertmanager, so that their alerts can be reused.
type Reloads struct {
	results    *prometheus.CounterVec
	successful prometheus.Gauge
	timestamp  prometheus.Gauge
	info       *prometheus.GaugeVec
	rules      prometheus.Gauge

	mu      sync.Mutex
	live    *rules.Table  // nil: there are no good rules yet
	load    rulefile.Load // whose table is live
	count   int           // of loads
	since   time.Time
	last    []state.Reload // newest first
	refusal *state.Refusal

	text text
}

// NewReloads registers the metrics with r.
func NewReloads(r prometheus.Registerer) *Reloads {
	m := &Reloads{
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tagproc_config_loads_total",
			Help: "Loads of changed content of the rules file, by result.",
		}, []string{"result"}),
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tagproc_config_last_reload_successful",
			Help: "1 if the current rules file is live; 0 if it is refused and older rules are live.",
		}),
		timestamp: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tagproc_config_last_reload_success_timestamp_seconds",
			Help: "Unix time at which the live rules were loaded.",
		}),
		info: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tagproc_rules_info",
			Help: "1, with the digest of the live rules: replicas with equal digests decide equally.",
		}, []string{"digest"}),
		rules: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tagproc_rules",
			Help: "Number of live rules.",
		}),
	}
	r.MustRegister(m.results, m.successful, m.timestamp, m.info, m.rules)
	m.results.WithLabelValues("success")
	m.results.WithLabelValues("failure")
	return m
}

// Record records the result of a load, and returns what it changes. If it has a table,
// the table is live. Loads are recorded one after the other.
func (m *Reloads) Record(l rulefile.Load) state.Reload {
	made := state.Reload{At: time.Now()}
	before := m.Live()
	if before != nil {
		made.Before = before.Digest()
	}
	if l.Table != nil { // before the lock: whoever asks for the state need not wait for it
		made.Digest = l.Table.Digest()
		changes(&made, before, l.Table)
		made.Moving = moving(before, l.Table, made.At)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	if l.Table == nil {
		m.results.WithLabelValues("failure").Inc()
		m.successful.Set(0)
		m.refusal = refusalOf(l.Problems, made.At)
		made.Problems = len(m.refusal.Problems) + m.refusal.ProblemsLeftOut
	} else {
		m.results.WithLabelValues("success").Inc()
		m.successful.Set(1)
		m.timestamp.SetToCurrentTime()
		m.info.Reset()
		m.info.WithLabelValues(l.Table.Digest()).Set(1)
		m.rules.Set(float64(len(l.Table.Rules())))
		m.live, m.load, m.since = l.Table, l, made.At
		if m.refusal != nil {
			m.refusal.Present = false
		}
	}
	m.last = slices.Insert(m.last[:min(len(m.last), state.MaxReloads-1)], 0, made)
	return made
}

// longestChange is the most bytes of the text of one change.
const longestChange = 200

// changes adds to r what differs between two tables. Before the first one there is nothing to
// differ from: its rules are counted.
func changes(r *state.Reload, before, after *rules.Table) {
	if before == nil {
		r.Changes = []string{"first load, " + words.Counted(len(after.Rules()), "rule")}
		return
	}
	all := rules.Changes(before, after, r.At)
	for _, c := range all[:min(len(all), state.MaxChanges)] {
		r.Changes = append(r.Changes, words.Cut(c.String(), longestChange))
	}
	r.ChangesLeftOut = len(all) - len(r.Changes)
}

// mostCompared is the most rules of two tables that are compared: to find out which
// requests have which rules costs their product, 50 ms for so many.
const mostCompared = 200

// moving returns who moves from one table to another; nil: nobody had a tag, or there are
// too many rules.
func moving(before, after *rules.Table, at time.Time) *state.Moving {
	if before == nil || max(len(before.Rules()), len(after.Rules())) > mostCompared {
		return nil
	}
	f := shares.Compare(before, after, shares.Options{At: at}).Moving()
	return &state.Moving{Percent: f.Percent, AtMost: f.AtMost, Named: f.Named}
}

func refusalOf(problems source.Problems, at time.Time) *state.Refusal {
	r := &state.Refusal{At: at, Present: true, Problems: []state.Problem{}}
	for i := range problems {
		switch p := &problems[i]; {
		case p.Severity != source.Error:
		case len(r.Problems) < state.MaxProblems:
			r.Problems = append(r.Problems, state.NewProblem(rules.Redact(*p)))
		default:
			r.ProblemsLeftOut++
		}
	}
	return r
}

// fill adds to s what the file was and is.
func (m *Reloads) fill(s *state.State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Reloads = append([]state.Reload{}, m.last...)
	if m.refusal != nil {
		refusal := *m.refusal
		s.Refusal = &refusal
	}
	if m.live != nil {
		s.Digest, s.LiveSince = m.live.Digest(), m.since
	}
}

// Live returns the live rules as their file has them; nil: there are none yet.
func (m *Reloads) Live() *rules.Table {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live
}

// text is a rules file as text, which is read when somebody asks.
type text struct {
	mu   sync.Mutex
	of   *rules.Table
	file *rollout.File
}

// file returns the live rules as text; nil: there are none.
func (m *Reloads) file() *rollout.File {
	m.mu.Lock()
	l := m.load
	m.mu.Unlock()
	m.text.mu.Lock()
	defer m.text.mu.Unlock()
	if m.text.of != l.Table {
		m.text.of, m.text.file = l.Table, nil
		if l.Table != nil {
			m.text.file, _ = rollout.Read("rules", l.Source, l.Options)
		}
	}
	return m.text.file
}

// loads returns how many states of the file were found.
func (m *Reloads) loads() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count
}
