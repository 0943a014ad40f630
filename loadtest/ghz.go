package main

import (
	"context"
	"errors"
	"fmt"
)

// A target is one server over one transport, at one number of callers.
type target struct {
	server, via string
	callers     int
}

// ghzFigures are what was measured straight at the servers.
type ghzFigures struct {
	rps, p50, p99, cpu map[target]series
	sent, failed       int
}

// measureGHZ calls tagproc and textbook in turn, without Envoy.
func measureGHZ(ctx context.Context, r *run) (*ghzFigures, error) {
	f := &ghzFigures{
		rps: make(map[target]series), p50: make(map[target]series),
		p99: make(map[target]series), cpu: make(map[target]series),
	}
	for round := range r.plan.rounds {
		if err := f.round(ctx, r, round); err != nil {
			return nil, fmt.Errorf("round %d of ghz: %w", round+1, err)
		}
	}
	return f, nil
}

func (f *ghzFigures) round(ctx context.Context, r *run, round int) (err error) {
	t, err := newBed(ctx, r.binaries, rule)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	if t.textbook, err = startTextbook(ctx, r.binaries.textbook, t.dir); err != nil {
		return err
	}
	ghz, err := newGHZ(r.binaries.ghz, t.dir, forwarded(r.users[0].id))
	if err != nil {
		return err
	}
	targets := targets()
	for i := range targets {
		target := targets[(i+round)%len(targets)]
		r.progress("round %d/%d, ghz, %d callers: %s over %s", round+1, r.plan.rounds, target.callers, target.server, target.via)
		s := t.tagproc
		if target.server == "textbook" {
			s = t.textbook
		}
		if err := f.target(ctx, r, ghz, s, target); err != nil {
			return err
		}
	}
	return nil
}

func (f *ghzFigures) target(ctx context.Context, r *run, ghz *ghzTool, s *server, t target) error {
	n := r.plan.calls[t.callers]
	if _, err := ghz.run(ctx, s.address(t.via), t.callers, n/10); err != nil { // warms the server up
		return err
	}
	cpu, err := startCPU(0, s)
	if err != nil {
		return err
	}
	report, err := ghz.run(ctx, s.address(t.via), t.callers, n)
	if err != nil {
		return err
	}
	_, used, err := cpu.since()
	if err != nil {
		return err
	}
	add(f.rps, t, report.RPS)
	add(f.p50, t, report.micros(50))
	add(f.p99, t, report.micros(99))
	add(f.cpu, t, micros(used)/float64(n))
	f.sent += n
	f.failed += report.failed()
	return nil
}

func targets() (all []target) {
	for _, callers := range callerCounts {
		for _, via := range []string{"unix", "tcp"} {
			for _, server := range []string{"textbook", "tagproc"} {
				all = append(all, target{server, via, callers})
			}
		}
	}
	return all
}

// section writes the figures as a table.
func (f *ghzFigures) section(plan) section {
	t := &table{head: []string{"", "callers", "streams/s", "p50 µs", "p99 µs", "server CPU µs"}}
	names := map[string]string{"unix": "Unix socket", "tcp": "TCP"}
	for _, target := range targets() {
		t.add(target.server+", "+names[target.via], fmt.Sprint(target.callers), figure(f.rps[target], 0),
			figure(f.p50[target], 0), figure(f.p99[target], 0), figure(f.cpu[target], 1))
	}
	return section{
		title: "Straight at the server, with ghz",
		text: fmt.Sprintf(`One gRPC connection, a closed loop: streams per second are those of ghz, which uses more CPU per stream than
the servers and is what stops first. The message is the one that Envoy sends with the shipped forward_rules.
%d streams; %d failed.`, f.sent, f.failed),
		tables: []*table{t},
	}
}
