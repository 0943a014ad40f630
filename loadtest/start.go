package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tagproc/tagproc/internal/machine"
)

// startFigures are, in MiB, of servers that were just started and were asked nothing
// yet, by their names.
type startFigures struct {
	resident  map[string]series // the most until it listened
	anonymous map[string]series // what is no page of the program
	program   map[string]float64
}

var startServers = []string{"tagproc", "textbook"}

// measureStart starts each server alone.
func measureStart(ctx context.Context, r *run) (*startFigures, error) {
	f := &startFigures{resident: make(map[string]series), anonymous: make(map[string]series), program: make(map[string]float64)}
	for name, binary := range map[string]string{"tagproc": r.binaries.tagproc, "textbook": r.binaries.textbook} {
		info, err := os.Stat(binary)
		if err != nil {
			return nil, err
		}
		f.program[name] = mebi(info.Size())
	}
	for round := range r.plan.rounds {
		r.progress("round %d/%d, start", round+1, r.plan.rounds)
		if err := f.round(ctx, r); err != nil {
			return nil, fmt.Errorf("start: %w", err)
		}
	}
	return f, nil
}

func (f *startFigures) round(ctx context.Context, r *run) (err error) {
	t, err := newBed(ctx, r.binaries, rule)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	if t.textbook, err = startTextbook(ctx, r.binaries.textbook, t.dir); err != nil {
		return err
	}
	for _, s := range []*server{t.tagproc, t.textbook} {
		resident, err := machine.PeakResidentBytes(s.pid())
		if err != nil {
			return err
		}
		anonymous, err := machine.AnonymousBytes(s.pid())
		if err != nil {
			return err
		}
		add(f.resident, s.name, mebi(resident))
		add(f.anonymous, s.name, mebi(anonymous))
	}
	return nil
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// section writes the figures as a table.
func (f *startFigures) section() section {
	t := &table{head: []string{"", "RSS MiB", "its own MiB", "program MiB"}}
	for _, name := range startServers {
		t.add(name, figure(f.resident[name], 1), figure(f.anonymous[name], 1), fmt.Sprintf("%.1f", f.program[name]))
	}
	return section{
		title: "At start",
		text: `Servers with one rule, before the first request. RSS is the most until the server listens. What is not its own
are pages of the program: all processes share them, and the kernel takes them back when memory is short. Programs have their symbols here;
releases have none.`,
		tables: []*table{t},
	}
}
