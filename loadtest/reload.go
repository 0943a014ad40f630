package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// reloadRules is how many rules the file has that is reloaded.
const reloadRules = 1000

// reloadFigures are of the same load without reloads (false) and with (true).
type reloadFigures struct {
	p50, p99, longest map[bool]series // microseconds
	failed            map[bool]int
	live              series // milliseconds from the new file to the first answer by it, the slowest of a round
}

// measureReload replaces a file of 1,000 rules while load is sent through Envoy.
func measureReload(ctx context.Context, r *run) (*reloadFigures, error) {
	f := &reloadFigures{p50: make(map[bool]series), p99: make(map[bool]series), longest: make(map[bool]series), failed: make(map[bool]int)}
	for round := range r.plan.rounds {
		for _, reload := range []bool{round%2 == 1, round%2 == 0} {
			r.progress("round %d/%d, load on %d rules, reloads: %v", round+1, r.plan.rounds, reloadRules, reload)
			if err := f.measure(ctx, r, reload); err != nil {
				return nil, fmt.Errorf("reload: %w", err)
			}
		}
	}
	return f, nil
}

// generation returns the rules with tags that end in g, so that an answer shows
// by which of them it was decided.
func generation(g int) string {
	all := manyRules(reloadRules, "enforce")
	for _, tag := range []string{"s1", "s2"} {
		all = strings.ReplaceAll(all, "tagValue: "+tag+"}", fmt.Sprintf("tagValue: %s-%d}", tag, g))
	}
	return all
}

// firstAnswers notes when the first answer by each generation of the rules came.
type firstAnswers struct {
	mu   sync.Mutex
	when []time.Time
}

// check takes the answer of a user: the tag of one generation or another. Tags of
// generations match no route, so that all users reach the baseline.
func (f *firstAnswers) check(u user, answer string) error {
	for g := range f.when {
		if answer == answerOf("baseline", fmt.Sprintf("%s-%d", u.tag, g), u.id) {
			f.note(g)
			return nil
		}
	}
	return want(answer, answerOf("baseline", u.tag+"-N", u.id))
}

func (f *firstAnswers) note(g int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.when[g].IsZero() {
		f.when[g] = time.Now()
	}
}

func (f *reloadFigures) measure(ctx context.Context, r *run, reload bool) (err error) {
	v := variantOf("tagproc-unix")
	t, err := newBed(ctx, r.binaries, generation(0), v)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()

	const connections = 32
	first := &firstAnswers{when: make([]time.Time, r.plan.reloads+1)}
	l := newLoad(t.gateway.Listeners[v.id], connections, r.users, first.check)
	defer func() { err = errors.Join(err, l.close()) }()
	if _, err := l.closed(ctx, 4*connections); err != nil {
		return err
	}

	// One file per second, and two seconds for the last one to become live.
	group, ctx := errgroup.WithContext(ctx)
	var open outcome
	group.Go(func() (err error) {
		open, err = l.open(ctx, r.plan.rates[connections], time.Duration(r.plan.reloads+2)*time.Second)
		return err
	})
	var written []time.Time
	group.Go(func() error {
		for g := 1; reload && g <= r.plan.reloads; g++ {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return ctx.Err()
			}
			next := t.rulesFile + ".next"
			if err := os.WriteFile(next, []byte(generation(g)), 0o600); err != nil {
				return err
			}
			if err := os.Rename(next, t.rulesFile); err != nil {
				return err
			}
			written = append(written, time.Now())
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	add(f.p50, reload, open.micros(0.5))
	add(f.p99, reload, open.micros(0.99))
	add(f.longest, reload, float64(open.latency.Max())/1e3)
	f.failed[reload] += open.failed
	if !reload {
		return nil
	}
	var slowest time.Duration
	for i, at := range written {
		live := first.when[i+1]
		if live.IsZero() {
			return fmt.Errorf("no answer came by the rules of reload %d", i+1)
		}
		slowest = max(slowest, live.Sub(at))
	}
	f.live = append(f.live, micros(slowest)/1e3)
	return nil
}

// section writes the figures as a table.
func (f *reloadFigures) section(p plan) section {
	t := &table{head: []string{"", "p50 µs", "p99 µs", "longest µs", "until live ms", "failed or wrong"}}
	t.add("no reload", figure(f.p50[false], 0), figure(f.p99[false], 0), figure(f.longest[false], 0), "", fmt.Sprint(f.failed[false]))
	t.add(fmt.Sprintf("reloads, one per second: %d", p.reloads),
		figure(f.p50[true], 0), figure(f.p99[true], 0), figure(f.longest[true], 0), figure(f.live, 0), fmt.Sprint(f.failed[true]))
	return section{
		title: "Reload under load",
		text: fmt.Sprintf(`A file of %d rules is replaced while %d requests per second go through Envoy over a Unix socket, 32 client
connections. The longest pause is that of one request, beside the longest without a reload; until live is the time
from the new file to the first answer by it, the slowest of a round. A request is wrong that was
not tagged by one generation of the rules or another.`, reloadRules, p.rates[32]),
		tables: []*table{t},
	}
}
