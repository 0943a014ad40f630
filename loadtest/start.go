package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tagproc/tagproc/internal/machine"
)

// startFigures are of a tagproc that was just started and was asked nothing yet.
type startFigures struct {
	resident series // the most until it listened, in MiB
	binary   int64  // bytes
}

// measureStart starts tagproc alone.
func measureStart(ctx context.Context, r *run) (*startFigures, error) {
	info, err := os.Stat(r.binaries.tagproc)
	if err != nil {
		return nil, err
	}
	f := &startFigures{binary: info.Size()}
	for round := range r.plan.rounds {
		r.progress("round %d/%d, start", round+1, r.plan.rounds)
		if err := f.measure(ctx, r); err != nil {
			return nil, fmt.Errorf("start: %w", err)
		}
	}
	return f, nil
}

func (f *startFigures) measure(ctx context.Context, r *run) (err error) {
	t, err := newBed(ctx, r.binaries, rule)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	resident, err := machine.PeakResidentBytes(t.tagproc.pid())
	if err != nil {
		return err
	}
	f.resident = append(f.resident, mebi(resident))
	return nil
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// section writes the figures as a table.
func (f *startFigures) section() section {
	t := &table{head: []string{"", "MiB"}}
	t.add("RSS, the most until it listens", figure(f.resident, 1))
	t.add("the program", figure(series{mebi(f.binary)}, 1))
	return section{
		title:  "At start",
		text:   "tagproc with one rule, before the first request. Pages of the program itself count as RSS too.",
		tables: []*table{t},
	}
}
