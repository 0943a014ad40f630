package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// idleConnections is how many gRPC connections the idle streams share, as those of
// Envoys with a worker each would.
const idleConnections = 4

// idleFigures are by the number of idle streams.
type idleFigures struct {
	counts             []int
	resident, p50, p99 map[int]series // MiB and microseconds
	failed             map[int]int
}

// measureIdle opens streams on tagproc that say nothing, and sends load through
// Envoy beside them.
func measureIdle(ctx context.Context, r *run) (*idleFigures, error) {
	f := &idleFigures{
		counts:   []int{0, r.plan.idleStreams},
		resident: make(map[int]series), p50: make(map[int]series), p99: make(map[int]series),
		failed: make(map[int]int),
	}
	for round := range r.plan.rounds {
		for i := range f.counts {
			n := f.counts[(i+round)%len(f.counts)]
			r.progress("round %d/%d, %d idle streams", round+1, r.plan.rounds, n)
			if err := f.measure(ctx, r, n); err != nil {
				return nil, fmt.Errorf("%d idle streams: %w", n, err)
			}
		}
	}
	return f, nil
}

func (f *idleFigures) measure(ctx context.Context, r *run, n int) (err error) {
	v := variantOf("tagproc-unix")
	t, err := newBed(ctx, r.binaries, rule, v)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	closeStreams, err := openStreams(ctx, t.tagproc, n)
	if err != nil {
		return err
	}
	defer closeStreams()

	const connections = 32
	l := newLoad(t.gateway.Listeners[v.id], connections, r.users, v.check)
	defer func() { err = errors.Join(err, l.close()) }()
	if _, err := l.closed(ctx, r.plan.requests[connections]); err != nil {
		return err
	}
	open, err := l.open(ctx, r.plan.rates[connections], r.plan.openLoop)
	if err != nil {
		return err
	}
	resident, err := residentBytes(t.tagproc.pid())
	if err != nil {
		return err
	}
	add(f.resident, n, float64(resident)/(1<<20))
	add(f.p50, n, open.micros(0.5))
	add(f.p99, n, open.micros(0.99))
	f.failed[n] += open.failed
	return nil
}

// openStreams opens n streams and waits until the server has them.
func openStreams(ctx context.Context, s *server, n int) (closeAll func(), err error) {
	var connections []*grpc.ClientConn
	closeAll = func() {
		for _, c := range connections {
			c.Close()
		}
	}
	for i := range n {
		if i < idleConnections {
			c, err := grpc.NewClient("unix://"+s.unix, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				closeAll()
				return nil, err
			}
			connections = append(connections, c)
		}
		if _, err := extprocv3.NewExternalProcessorClient(connections[i%len(connections)]).Process(ctx); err != nil {
			closeAll()
			return nil, fmt.Errorf("couldn't open stream %d: %w", i, err)
		}
	}
	// Each stream that is being served has a goroutine.
	for deadline := time.Now().Add(startLimit); ; time.Sleep(20 * time.Millisecond) {
		goroutines, err := metric(ctx, s.admin, "go_goroutines")
		if err == nil && goroutines >= float64(n) {
			return closeAll, nil
		}
		if err == nil && time.Now().After(deadline) {
			err = fmt.Errorf("tagproc has %v goroutines after %v, want %d or more", goroutines, startLimit, n)
		}
		if err != nil {
			closeAll()
			return nil, err
		}
	}
}

// metric returns the value of a metric without labels.
func metric(ctx context.Context, admin, name string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.Join(fmt.Errorf("tagproc has no metric %s", name), lines.Err())
}

// section writes the figures as a table.
func (f *idleFigures) section(p plan) section {
	t := &table{head: []string{"idle streams", "RSS MiB", "p50 µs", "p99 µs", "failed or wrong"}}
	for _, n := range f.counts {
		t.add(fmt.Sprint(n), figure(f.resident[n], 1), figure(f.p50[n], 0), figure(f.p99[n], 0), fmt.Sprint(f.failed[n]))
	}
	return section{
		title: "Idle streams",
		text: fmt.Sprintf(`Streams on which no message ever comes, over %d gRPC connections, and beside them %d requests per second
through Envoy over a Unix socket, 32 client connections. RSS is that of tagproc after the load.`,
			idleConnections, p.rates[32]),
		tables: []*table{t},
	}
}
