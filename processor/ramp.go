package processor

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tagproc/tagproc/rules"
)

// maxStep is the longest time between two looks at the clock while there are ramps, and
// so until a change of the clock is noticed.
const maxStep = time.Second

// stages are the plans of the Tables of one file, each made when the file is loaded.
type stages struct {
	table *rules.Table // nil: there are no ramps
	plans map[*rules.Table]*plan
	only  *plan // without ramps
	timer *time.Timer
}

// newStages returns the stages of the table of p, which is nil without rules.
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

// at returns the plan that answers at now, and the instant from which another one does;
// zero: never.
func (s *stages) at(now time.Time) (p *plan, next time.Time) {
	if s.table == nil {
		return s.only, time.Time{}
	}
	t, next := s.table.At(now)
	return s.plans[t], next
}

// stop stops the timer.
func (s *stages) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// arm schedules the next look at the clock: at next, or in a second if that is earlier or
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

// step switches to the plan of the stage of now. It makes nothing, and nobody waits.
func (p *Processor) step(of *rules.Table) {
	p.setting.Lock()
	defer p.setting.Unlock()
	if p.stages.table != of {
		return // another table has been set
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

// Step returns instants of the rules' ramps: of the last step so far, of the next step,
// and of the final step. An instant is zero if the step does not exist.
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
