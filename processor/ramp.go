package processor

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tagproc/tagproc/rules"
)

// maxStep is how long the clock is not looked at while there are ramps. A clock that
// is set is noticed by then.
const maxStep = time.Second

// stages are the plans of the Tables of one file, each made when the file is loaded.
type stages struct {
	table *rules.Table // nil: there are no ramps
	plans map[*rules.Table]*plan
	only  *plan // without ramps
	timer *time.Timer
}

// newStages returns the stages of the table of p, which is nil where there are no
// rules.
func newStages(p *plan) stages {
	if p.table == nil || !p.table.HasRamps() {
		return stages{only: p}
	}
	s := stages{table: p.table, plans: map[*rules.Table]*plan{}}
	for _, t := range p.table.Stages() {
		s.plans[t] = p.at(t)
	}
	return s
}

// at returns the plan that answers at now, and the instant at which another one
// does; zero: none will.
func (s *stages) at(now time.Time) (p *plan, next time.Time) {
	if s.table == nil {
		return s.only, time.Time{}
	}
	t, next := s.table.At(now)
	return s.plans[t], next
}

// stop has nothing more happen by itself.
func (s *stages) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// arm has the clock looked at again: at next, or in a second if that is earlier or
// next is zero, since the clock may be set back.
func (p *Processor) arm(next time.Time) {
	if p.stages.table == nil {
		return
	}
	wait := maxStep
	if !next.IsZero() {
		wait = min(wait, max(0, next.Sub(p.now())))
	}
	table := p.stages.table
	p.stages.timer = time.AfterFunc(wait, func() { p.step(table) })
}

// step moves the plan to the stage of now. Nothing is made, and nobody waits.
func (p *Processor) step(of *rules.Table) {
	p.setting.Lock()
	defer p.setting.Unlock()
	if p.stages.table != of {
		return // another table was set meanwhile
	}
	after, next := p.stages.at(p.now())
	if before := p.plan.Swap(after); before != after {
		p.log.Info("a ramp reaches its next step", "since", instant(after.table.Since()), "next", instant(next), "digest", after.table.Digest())
	}
	p.arm(next)
}

// instant returns t for logs, "none" for no instant.
func instant(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// Step returns since when the rules decide as they do now, when they will decide in
// another way by themselves, and when they will do so for the last time, or did. An
// instant that there is not is zero, as all are without ramps.
func (p *Processor) Step() (since, next, last time.Time) {
	p.setting.Lock()
	defer p.setting.Unlock()
	if p.stages.table == nil {
		return since, next, last
	}
	t, next := p.stages.table.At(p.now())
	instants := t.Instants()
	return t.Since(), next, instants[len(instants)-1]
}

// stepMetrics are the gauges of Step.
func (p *Processor) stepMetrics() (gauges []prometheus.Collector) {
	for step, of := range map[string]func() time.Time{
		"current": func() time.Time { since, _, _ := p.Step(); return since },
		"next":    func() time.Time { _, next, _ := p.Step(); return next },
		"last":    func() time.Time { _, _, last := p.Step(); return last },
	} {
		gauges = append(gauges, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "tagproc_ramp_step_timestamp_seconds",
			Help:        "Unix time at which the step of the rules' ramps that is in force began (current), at which the next one begins, and at which the last one does or did; 0: there is none.",
			ConstLabels: prometheus.Labels{"step": step},
		}, func() float64 {
			if at := of(); !at.IsZero() {
				return float64(at.UnixMilli()) / 1000
			}
			return 0
		}))
	}
	return gauges
}
