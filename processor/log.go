package processor

import (
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/tagproc/tagproc/rules"
)

// panicked counts a panic and logs it, at most once per second: what panics for
// one request will for the next.
func (p *Processor) panicked(cause any) {
	p.metrics.panics.Inc()
	if p.panicLogged.first() {
		p.log.Error("panic while answering Envoy; the request is left unchanged. This is a bug in tagproc.",
			"panic", cause, "stack", string(debug.Stack()))
	}
}

// sample logs decisions, which pl made, at most once per second. The user's id
// is not for logs.
func (p *Processor) sample(pl *plan, d Direction, o outcome, decisions []rules.Decision) {
	if pl.table == nil || !p.sampleLogged.first() {
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
	p.log.Debug("decisions on a request; one a second is logged", "direction", d.String(), "outcome", outcomeNames[o], slog.Group("rules", byRule...))
}

// A perSecond picks out what is logged.
type perSecond struct{ last atomic.Int64 } // when, in Unix seconds

// first reports whether it is called for the first time in this second.
func (s *perSecond) first() bool {
	now := time.Now().Unix()
	return s.last.Load() != now && s.last.Swap(now) != now
}
