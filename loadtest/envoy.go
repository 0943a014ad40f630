package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A cell is one variant at one number of connections.
type cell struct {
	variant     string
	connections int
}

// gatewayFigures are what was measured through Envoy, in microseconds. CPU is
// per request.
type gatewayFigures struct {
	envoyCPU, serverCPU, p50, p99, p999 map[cell]series

	sent, failed map[string]int // by variant
	failure      error          // the first one
}

// measureGateway sends load through Envoy, to every variant in turn.
func measureGateway(ctx context.Context, r *run) (*gatewayFigures, error) {
	f := &gatewayFigures{
		envoyCPU: make(map[cell]series), serverCPU: make(map[cell]series),
		p50: make(map[cell]series), p99: make(map[cell]series), p999: make(map[cell]series),
		sent: make(map[string]int), failed: make(map[string]int),
	}
	for round := range r.plan.gatewayRounds {
		if err := f.round(ctx, r, round); err != nil {
			return nil, fmt.Errorf("round %d through Envoy: %w", round+1, err)
		}
	}
	return f, nil
}

// round measures every cell once, beginning with another variant in each round.
func (f *gatewayFigures) round(ctx context.Context, r *run, round int) (err error) {
	t, err := newBed(ctx, r.binaries, rule, variants...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	for _, n := range connectionCounts {
		for i := range variants {
			v := variants[(i+round)%len(variants)]
			r.progress("round %d/%d, through Envoy, %d connections: %s", round+1, r.plan.gatewayRounds, n, v.title)
			if err := f.cell(ctx, r, t, v, n); err != nil {
				return fmt.Errorf("%s, %d connections: %w", v.title, n, err)
			}
		}
	}
	return nil
}

// cell measures the CPU of a closed loop, and then the latency of an open one.
func (f *gatewayFigures) cell(ctx context.Context, r *run, t *bed, v variant, n int) (err error) {
	l := newLoad(t.gateway.Listeners[v.id], n, r.users, v.check)
	defer func() { err = errors.Join(err, l.close()) }()
	if _, err := l.closed(ctx, max(200, 4*n)); err != nil { // opens every connection, to the servers too
		return err
	}

	requests := r.plan.requests[n]
	cpu, err := startCPU(t.gateway.PID(), t.server(v))
	if err != nil {
		return err
	}
	closed, err := l.closed(ctx, requests)
	if err != nil {
		return err
	}
	envoyCPU, serverCPU, err := cpu.since()
	if err != nil {
		return err
	}
	open, err := l.open(ctx, r.plan.rates[n], r.plan.openLoop)
	if err != nil {
		return err
	}

	c := cell{v.id, n}
	add(f.envoyCPU, c, micros(envoyCPU)/float64(requests))
	add(f.serverCPU, c, micros(serverCPU)/float64(requests))
	add(f.p50, c, open.micros(0.5))
	add(f.p99, c, open.micros(0.99))
	add(f.p999, c, open.micros(0.999))
	for _, o := range []outcome{closed, open} {
		f.sent[v.id] += o.sent
		f.failed[v.id] += o.failed
		if f.failure == nil && o.failure != nil {
			f.failure = fmt.Errorf("%s: %w", v.title, o.failure)
		}
	}
	return nil
}

func add[K comparable](m map[K]series, key K, value float64) { m[key] = append(m[key], value) }

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// section writes the figures as tables.
func (f *gatewayFigures) section(p plan) section {
	s := section{title: "Through Envoy", text: `One Envoy with one worker; each variant is a listener of its own. CPU is that of the whole process,
user and kernel mode, per request of a closed loop; latency is that of an open loop at a fixed rate,
corrected for coordinated omission. Figures are medians of the rounds, with the lowest and the highest.`}
	for _, n := range connectionCounts {
		t := &table{
			caption: fmt.Sprintf("%s: CPU of %d requests, latency at %d requests per second.", clients(n), p.requests[n], p.rates[n]),
			head:    []string{"", "Envoy CPU µs", "server CPU µs", "both µs", "p50 µs", "p99 µs", "p99.9 µs"},
		}
		for _, v := range variants {
			c := cell{v.id, n}
			server, both := "", f.envoyCPU[c]
			if v.server != "" {
				server, both = figure(f.serverCPU[c], 1), sums(f.envoyCPU[c], f.serverCPU[c])
			}
			t.add(v.title, figure(f.envoyCPU[c], 1), server, figure(both, 1),
				figure(f.p50[c], 0), figure(f.p99[c], 0), figure(f.p999[c], 0))
		}
		s.tables = append(s.tables, t)
	}
	t := &table{
		caption: "Every answer is checked: status 200, and the lane and the tag that this user is to have.",
		head:    []string{"", "requests", "failed or wrong"},
	}
	for _, v := range variants {
		t.add(v.title, fmt.Sprint(f.sent[v.id]), fmt.Sprint(f.failed[v.id]))
	}
	s.tables = append(s.tables, t)
	if f.failure != nil {
		s.note = "The first failure: " + f.failure.Error() + "."
	}
	return s
}

func clients(n int) string {
	if n == 1 {
		return "1 client connection"
	}
	return fmt.Sprintf("%d client connections", n)
}
