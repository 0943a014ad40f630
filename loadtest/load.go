package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"fortio.org/fortio/periodic"
	"fortio.org/log"
	"github.com/HdrHistogram/hdrhistogram-go"
)

// A load is a number of keep-alive connections to one listener, over which
// requests are sent one at a time each.
type load struct {
	address string // HOST:PORT
	users   []user
	check   func(u user, answer string) error // of every answer

	connections []*connection

	mu       sync.Mutex
	interval time.Duration // between the requests of one connection; 0: closed loop
	latency  *hdrhistogram.Histogram
	sent     int
	failed   int
	failure  error // the first one
}

// newLoad makes a load of n connections. They are opened by their first request.
func newLoad(address string, n int, users []user, check func(user, string) error) *load {
	log.SetLogLevelQuiet(log.Critical) // fortio's, which tells of its own course
	l := &load{address: address, users: users, check: check}
	for i := range n {
		// Each begins with another user, so that connections are not in step.
		l.connections = append(l.connections, &connection{load: l, next: i * len(users) / n})
	}
	return l
}

// An outcome is what one run of a load showed.
type outcome struct {
	sent, failed int
	failure      error // the first one
	latency      *hdrhistogram.Histogram
}

// micros returns the quantile q of the latency in microseconds.
func (o outcome) micros(q float64) float64 {
	return float64(o.latency.ValueAtPercentile(q*100)) / 1e3
}

// closed sends n requests, each as soon as its connection has the answer to the
// one before: as fast as the system goes.
func (l *load) closed(ctx context.Context, n int) (outcome, error) {
	return l.run(ctx, 0, &periodic.RunnerOptions{QPS: -1, Exactly: int64(n)})
}

// open sends rate requests per second, by a schedule that each connection has. A
// request that could not be sent in time because the one before was not answered
// is not sent later; the histogram is corrected for it, as if it had been sent in
// time and waited (coordinated omission).
func (l *load) open(ctx context.Context, rate int, d time.Duration) (outcome, error) {
	interval := time.Duration(len(l.connections)) * time.Second / time.Duration(rate)
	return l.run(ctx, interval, &periodic.RunnerOptions{QPS: float64(rate), Duration: d, NoCatchUp: true, Uniform: true})
}

func (l *load) run(ctx context.Context, interval time.Duration, o *periodic.RunnerOptions) (outcome, error) {
	l.interval = interval
	l.latency = hdrhistogram.New(1_000, int64(time.Minute), 3) // in nanoseconds, to a microsecond or a thousandth
	l.sent, l.failed, l.failure = 0, 0, nil

	stop := periodic.NewAborter()
	o.Stop, o.Out = stop, io.Discard
	o.NumThreads = len(l.connections)
	runner := periodic.NewPeriodicRunner(o)
	for i, c := range l.connections {
		runner.Options().Runners[i] = c
	}
	defer context.AfterFunc(ctx, func() { stop.Abort(false) })()
	runner.Run()

	if err := ctx.Err(); err != nil {
		return outcome{}, err
	}
	if l.failed == l.sent {
		return outcome{}, fmt.Errorf("not one request of %d to %s went well: %w", l.sent, l.address, l.failure)
	}
	return outcome{l.sent, l.failed, l.failure, l.latency}, nil
}

// record takes the end of one request.
func (l *load) record(latency time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	if err == nil {
		err = l.latency.RecordCorrectedValue(int64(latency), int64(l.interval))
	}
	if err != nil {
		l.failed++
		if l.failure == nil {
			l.failure = err
		}
	}
}

// close closes the connections.
func (l *load) close() error {
	var errs []error
	for _, c := range l.connections {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}
