package chaos

import (
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	drainDelay = 2 * time.Second
	exitLimit  = time.Second     // after the drain delay
	holdLimit  = 5 * time.Second // more, while a stream does not end
)

// healthChecks has Envoy ask tagproc for its health. From the third failed check
// on, half a second before the drain delay ends, a tagproc gets no request.
func healthChecks(t *testing.T, c config) {
	t.Helper()
	c.cluster(t, "tagproc")["health_checks"] = []any{config{
		"timeout": "0.5s", "interval": "0.5s", "no_traffic_interval": "0.5s", "unhealthy_threshold": 2, "healthy_threshold": 1,
		"grpc_health_check": config{},
	}}
}

// replaced starts a second tagproc n times, waits until Envoy uses it and ends the
// first one by SIGTERM. One time in twenty a stream is open that does not end.
func replaced(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	sockets := []string{b.socket(t), b.socket(t)}
	b.startGateway(t, sockets, failClosed, healthChecks)
	healthy := func(want int) func() bool {
		return func() bool { return b.stat(t, "cluster.tagproc.membership_healthy") == want }
	}
	file := b.rulesFile(t)
	begin := func(socket string) *tagproc {
		return b.start(t, command{
			rulesFile: file, listen: []string{"unix://" + socket}, flags: []string{"--drain-delay", drainDelay.String()},
		})
	}
	p := begin(sockets[0])
	eventually(t, "Envoy sees a healthy tagproc", healthy(1))
	l := b.startLoad(t, b.rate, "")
	var slowest, slowestHeld time.Duration
	for i := range n {
		successor := begin(sockets[(i+1)%2])
		eventually(t, "Envoy sees two healthy tagprocs", healthy(2))
		hold := *full && i%20 == 1
		if hold {
			holdStream(t, "unix://"+sockets[i%2])
		}
		took := p.terminate(t) - drainDelay
		if hold {
			slowestHeld = max(slowestHeld, took)
		} else {
			slowest = max(slowest, took)
		}
		p = successor
		eventually(t, "Envoy sees one healthy tagproc", healthy(1))
	}
	f.count(summarize(l.stop()))
	f.noneFailed()
	f.noneUntagged()
	f.within("exit after the drain delay", slowest, exitLimit)
	if slowestHeld > 0 {
		f.within("with a stream that does not end", slowestHeld, exitLimit+holdLimit)
	}
}

// holdStream opens a stream that stays open until the server ends it, or the test
// ends: Envoy waits on it for pieces of a body.
func holdStream(t *testing.T, target string) {
	t.Helper()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	stream, err := extprocv3.NewExternalProcessorClient(conn).Process(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&extprocv3.ProcessingRequest{
		Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{Headers: &corev3.HeaderMap{}}},
		ProtocolConfig: &extprocv3.ProtocolConfiguration{
			RequestBodyMode: filterv3.ProcessingMode_FULL_DUPLEX_STREAMED,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatalf("couldn't hold a stream: %v", err)
	}
}
