package processor

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/internal/seldom"
	"github.com/tagproc/tagproc/rules"
)

// Options are the settings of a Processor. The zero value is ready to use.
type Options struct {
	Limits     Limits
	Registerer prometheus.Registerer // takes the metrics; nil: they are not exported
	Logger     *slog.Logger          // nil: nothing is logged; New reads its level

	// MaxPending is the most messages that may be pending at a time, between their
	// arrival in Stream.Reply and the reply; 0: 1,000. Request headers that come while
	// so many are pending are shed: the reply comes at once and changes nothing, and
	// tagproc_messages_total counts it. Nothing else is shed: a body that is not handed
	// back is lost.
	//
	// A shed request passes as if tagproc were dead. Its headers are not read, so it
	// gets no tag, and tags that its client forged stay unless Envoy removes them before
	// (early_header_mutation_extensions).
	//
	// A reply takes about a microsecond, so messages pile up only if something delays
	// replies.
	MaxPending int

	// Metadata makes replies to request headers carry dynamic metadata, for access logs,
	// in the namespace tagproc:
	//
	//	{"outcome": "tagged", "rulesDigest": "58b34286a4ea4d5b",
	//	 "rules": {"x-asm-prefer-tag": {"reason": "policy", "bucket": 2, "tag": "s2"}}}
	//
	// outcome is that of tagproc_messages_total. rules has each rule of the table by its
	// name, with the Reason of its Decision, its bucket and tag if any, and for a rule
	// with several keys the one taken; a rule in shadow mode, which writes nothing, also
	// has mode: "shadow". For rules with ramps, rulesSince is the instant of their last
	// step. The value of a key is never in it. Replies without a decision have no
	// metadata: no_rules, malformed, shed, and those after a panic.
	//
	// Envoy drops the metadata in silence unless the filter lists the namespace in
	// metadata_options.receiving_namespaces.untyped. An access log has all of it as
	// JSON by %DYNAMIC_METADATA(tagproc)%, and what is in it by a path, as in
	// %DYNAMIC_METADATA(tagproc:rules:NAME:bucket)% if NAME has no colon. (Seen with
	// Envoy 1.40.0 and 1.36.4.)
	Metadata bool

	// Now is the clock of ramps; nil: time.Now.
	Now func() time.Time
}

// defaultMaxPending is far more than ever pend without a fault.
const defaultMaxPending = 1000

// A Processor answers for the rules of its table. It is safe for concurrent use.
type Processor struct {
	plan       atomic.Pointer[plan]
	maxPending int64
	limits     Limits
	metadata   bool
	metrics    *metrics
	log        *slog.Logger
	sampling   bool // whether log takes the level of samples
	fault      fault

	setting sync.Mutex // of the plan, and of:
	stages  stages
	now     func() time.Time

	panicLogged     seldom.Second
	sampleLogged    seldom.Second
	directionLogged atomic.Bool

	_       [64]byte     // separates the cache line that every message writes from those it reads
	pending atomic.Int64 // messages that are being answered
}

// New returns a Processor that changes nothing until SetTable gives it rules. It
// panics if o.Registerer has metrics of a Processor already.
func New(o Options) *Processor {
	p := &Processor{
		maxPending: int64(o.MaxPending),
		limits:     o.Limits.withDefaults(),
		metadata:   o.Metadata,
		metrics:    newMetrics(o.Registerer),
		log:        o.Logger,
		now:        o.Now,
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.maxPending <= 0 {
		p.maxPending = defaultMaxPending
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(p.stepMetrics()...)
	}
	p.sampling = p.log.Enabled(context.Background(), slog.LevelDebug)
	p.fault = faultOfEnvironment(p.log)
	p.SetTable(nil)
	return p
}

// SetTable makes t decide every message that arrives from now on. The earlier table
// finishes messages that are pending. With nil every message passes unchanged.
//
// If t has ramps, each step takes effect at its instant by the clock of Options.Now,
// until another table is set.
//
// The metrics of decisions and of absent keys that t cannot make are deleted. A rule that
// keeps its name keeps its counts.
func (p *Processor) SetTable(t *rules.Table) {
	p.setting.Lock()
	defer p.setting.Unlock()
	var tallies []*Tally
	if before := p.plan.Load(); before != nil {
		tallies = before.tallies
	}
	after := newPlan(t, p.limits, p.metadata, p.metrics, tallies)
	p.stages.stop()
	p.stages = newStages(after)
	first, next := p.stages.at(p.now())
	if before := p.plan.Swap(first); before != nil {
		p.metrics.forget(before.series, after.series)
	}
	p.arm(next)
}

// Counts are what a Processor has counted since it was made.
type Counts struct {
	Table    *rules.Table      // that decides now; nil: there are no rules
	Tallies  []*Tally          // by index of Table.Rules; nil: the rule is not tallied
	Outcomes map[string]uint64 // messages of all directions by the outcome of tagproc_messages_total
	// Durations are the replies by the bucket of tagproc_decision_duration_seconds, each
	// with those of the buckets below; the last are all.
	Durations []uint64
}

// Requests returns the number of messages with request headers, those included that were
// not looked into.
func (c *Counts) Requests() (n uint64) {
	for o, name := range outcomeNames {
		switch outcome(o) {
		case malformed, passed, nothingDone: // no request, as far as we know
		default:
			n += c.Outcomes[name]
		}
	}
	return n
}

// Counts returns what was counted up to now.
func (p *Processor) Counts() Counts {
	pl := p.plan.Load()
	c := Counts{Table: pl.table, Tallies: pl.tallies, Outcomes: map[string]uint64{}}
	for d := range p.metrics.messages {
		for o, name := range outcomeNames {
			c.Outcomes[name] += p.metrics.messages[d][o].Load()
		}
	}
	c.Durations = p.metrics.durations()
	return c
}

// NewStream returns the Stream for one HTTP request at the gateway.
func (p *Processor) NewStream() *Stream { return p.NewStreamOf(contract.Gateway) }

// NewStreamOf returns the Stream for one HTTP request of a direction.
func (p *Processor) NewStreamOf(d contract.Direction) *Stream {
	return &Stream{processor: p, direction: d}
}

// panicked counts a panic and logs it at most once per second: what panics on one request
// panics on the next.
func (p *Processor) panicked(cause any) {
	p.metrics.panics.Inc()
	if p.panicLogged.First() {
		p.log.Error("panic while answering Envoy; the request stays unchanged. This is a bug in tagproc.",
			"panic", cause, "stack", string(debug.Stack()))
	}
}

// sample logs decisions of pl at most once per second, without the user's id.
func (p *Processor) sample(pl *plan, d contract.Direction, o outcome, decisions []rules.Decision) {
	if pl.table == nil || !p.sampleLogged.First() {
		return
	}
	all := pl.table.Rules()
	var byRule []any
	for i, d := range decisions {
		attrs := []any{"reason", d.Reason.String()}
		if all[i].Mode == rules.ModeShadow {
			attrs = append(attrs, "mode", all[i].Mode.String())
		}
		if hasBucket(d.Reason) {
			attrs = append(attrs, "bucket", d.Bucket)
		}
		if d.Tag != rules.NoTag {
			attrs = append(attrs, "tag", pl.tags[d.Tag].value)
		}
		byRule = append(byRule, slog.Group(all[i].Name, attrs...))
	}
	p.log.Debug("decisions on a request; at most one per second is logged", "direction", d.String(), "outcome", outcomeNames[o], slog.Group("rules", byRule...))
}
