package main

import (
	"bufio"
	"cmp"
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

	"github.com/tagproc/tagproc/internal/machine"
)

// idleConnections is how many gRPC connections the idle streams share, as those of
// Envoys with a worker each would.
const idleConnections = 4

// idleLimit is the memory limit that tagproc sets itself in a container of 156 MiB:
// 90% of the container's.
const idleLimit = "140MiB"

// An idleCase is a number of idle streams and tagproc's GOMEMLIMIT.
type idleCase struct {
	streams int
	limit   string // empty: none
}

// idleFigures are by case.
type idleFigures struct {
	cases              []idleCase
	resident, p50, p99 map[idleCase]series // MiB and microseconds
	failed             map[idleCase]int
}

// measureIdle opens silent streams on tagproc, and sends load through Envoy beside
// them.
func measureIdle(ctx context.Context, r *run) (*idleFigures, error) {
	f := &idleFigures{
		cases:    []idleCase{{0, ""}, {r.plan.idleStreams, ""}, {r.plan.idleStreams, idleLimit}},
		resident: make(map[idleCase]series), p50: make(map[idleCase]series), p99: make(map[idleCase]series),
		failed: make(map[idleCase]int),
	}
	for round := range r.plan.rounds {
		for i := range f.cases {
			c := f.cases[(i+round)%len(f.cases)]
			r.progress("round %d/%d, %d idle streams", round+1, r.plan.rounds, c.streams)
			if err := f.measure(ctx, r, c); err != nil {
				return nil, fmt.Errorf("%d idle streams: %w", c.streams, err)
			}
		}
	}
	return f, nil
}

func (f *idleFigures) measure(ctx context.Context, r *run, c idleCase) (err error) {
	v := variantOf("tagproc-unix")
	var env []string
	if c.limit != "" {
		env = []string{"GOMEMLIMIT=" + c.limit}
	}
	t, err := newBedIn(ctx, env, r.binaries, rule, v)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	closeStreams, err := openStreams(ctx, t.tagproc, c.streams)
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
	resident, err := machine.ResidentBytes(t.tagproc.pid())
	if err != nil {
		return err
	}
	add(f.resident, c, mebi(resident))
	add(f.p50, c, open.micros(0.5))
	add(f.p99, c, open.micros(0.99))
	f.failed[c] += open.failed
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
	t := &table{head: []string{"idle streams", "GOMEMLIMIT", "RSS MiB", "p50 µs", "p99 µs", "failed or wrong"}}
	for _, c := range f.cases {
		t.add(fmt.Sprint(c.streams), cmp.Or(c.limit, "none"), figure(f.resident[c], 1), figure(f.p50[c], 0), figure(f.p99[c], 0), fmt.Sprint(f.failed[c]))
	}
	return section{
		title: "Idle streams",
		text: fmt.Sprintf(`Streams on which no message ever comes, over %d gRPC connections, and beside them %d requests per second
through Envoy over a Unix socket, 32 client connections. RSS is that of tagproc after the load.
In a container tagproc takes GOMEMLIMIT from the container's limit; without one its collector may let the heap grow to five times
what is in use.`,
			idleConnections, p.rates[32]),
		tables: []*table{t},
	}
}
