package processor

import (
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tagproc/tagproc/rules"
)

// Options are the settings of a Processor. The zero value is ready to use.
type Options struct {
	Limits     Limits
	Registerer prometheus.Registerer // takes the metrics; nil: they are not exported
	Logger     *slog.Logger          // nil: nothing is logged
}

// A Processor answers for the rules of its table. It is safe for concurrent use.
type Processor struct {
	plan    atomic.Pointer[plan]
	limits  Limits
	metrics *metrics
	log     *slog.Logger

	panicLogged atomic.Int64 // when, in Unix seconds
}

// New returns a Processor that changes nothing until SetTable gives it rules. It
// panics if o.Registerer has metrics of a Processor already.
func New(o Options) *Processor {
	p := &Processor{limits: o.Limits.withDefaults(), metrics: newMetrics(o.Registerer), log: o.Logger}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.SetTable(nil)
	return p
}

// SetTable makes t decide about every message that arrives from now on. Those
// being answered are finished with the table before. With nil nothing is
// changed any more.
func (p *Processor) SetTable(t *rules.Table) {
	p.plan.Store(newPlan(t, p.limits, p.metrics))
}

// NewStream returns the Stream for one HTTP request.
func (p *Processor) NewStream() *Stream { return &Stream{processor: p} }

// panicked counts a panic and logs it, at most once per second: what panics for
// one request will for the next.
func (p *Processor) panicked(cause any) {
	p.metrics.panics.Inc()
	if now := time.Now().Unix(); p.panicLogged.Swap(now) != now {
		p.log.Error("panic while answering Envoy; the request is left unchanged. This is a bug in tagproc.",
			"panic", cause, "stack", string(debug.Stack()))
	}
}
