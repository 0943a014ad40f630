package transport

import (
	"bytes"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/credentials/insecure"
)

// TestHeadersAlone checks that peers which send the headers of many streams at once, and
// nothing else, have few more goroutines than streams may wait, and that the stream of
// another connection is answered beside them. It counts goroutines, so it is alone.
func TestHeadersAlone(t *testing.T) { //nolint:paralleltest // see above
	const (
		peers, opened = 40, 2500
		waves         = 3
		most          = 500                                        // streams that wait
		surplus       = 2*maxStrays + waves*peers*(3+leastWaiting) // 3 are those that gRPC has for each connection
	)
	before := runtime.NumGoroutine()
	headers := []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: echoMethod},
		{Name: ":authority", Value: "test"},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "te", Value: "trailers"},
	}
	server := NewServer(Options{})
	all := server.door.streams
	all.maxWaiting, all.max = most, 2*most
	server.RegisterService(&echoDesc, nil)
	l := listen(t, "127.0.0.1:0", ListenOptions{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	r := &running{addresses: []string{l.Addr().String()}}
	ours := dial(t, l.Addr().String(), insecure.NewCredentials())
	answer := func() {
		t.Helper()
		stream := open(t, ours, echoMethod)
		if err := echo(stream, "hello"); err != nil {
			t.Errorf("a stream of another connection: %v", err)
		}
		if err := stream.CloseSend(); err != nil {
			t.Error(err)
		}
		_ = end(stream)
	}
	answer()
	var attack sync.WaitGroup
	for range waves * peers {
		p := r.rawPeer(t)
		var block, out bytes.Buffer
		encoder, frames := hpack.NewEncoder(&block), http2.NewFramer(&out, nil)
		for i := range opened { // all but the first in 15 bytes
			block.Reset()
			for _, f := range headers {
				if err := encoder.WriteField(f); err != nil {
					t.Fatal(err)
				}
			}
			if err := frames.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
				t.Fatal(err)
			}
		}
		attack.Go(func() {
			if _, err := p.Write(out.Bytes()); err != nil {
				t.Error(err)
			}
		})
	}
	attacked, peak, strays := make(chan struct{}), 0, int64(0)
	go func() {
		defer close(attacked)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			attack.Wait()
		}()
		deadline := time.Now().Add(limit)
		for over := false; !over || all.strays.Load() > maxStrays; time.Sleep(time.Millisecond / 10) {
			select {
			case <-sent:
				over = true
			default:
			}
			strays = max(strays, all.strays.Load())
			if peak = max(peak, runtime.NumGoroutine()-before); time.Now().After(deadline) {
				t.Errorf("after %v %d handlers are strays", limit, all.strays.Load())
				return
			}
		}
	}()
	for attacking := true; attacking; {
		select {
		case <-attacked:
			attacking = false
		default:
		}
		answer()
	}
	t.Logf("%d goroutines and %d strays at most", peak, strays)
	if peak > most+surplus {
		t.Errorf("there are %d goroutines more than before, want %d at most", peak, most+surplus)
	}
}

// TestHold checks that a connection with a share of the handlers is held while there are
// too many strays, until it is closed, and one with few handlers never is.
func TestHold(t *testing.T) {
	t.Parallel()
	all := newStreams(10, 10, time.Hour)
	greedy, modest := &guest{Conn: silentConn{}, all: all, received: greeting}, &guest{Conn: silentConn{}, all: all, received: greeting}
	for range maxStrays + 1 {
		all.enter(greedy)
	}
	all.enter(modest)
	read := func(g *guest) chan struct{} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = g.Read(make([]byte, 1))
		}()
		return done
	}
	ends := func(what string, done chan struct{}) {
		t.Helper()
		select {
		case <-done:
		case <-time.After(limit):
			t.Fatalf("a read of %s does not end", what)
		}
	}
	held := read(greedy)
	ends("a connection with one handler", read(modest))
	select {
	case <-held:
		t.Error("a connection with nearly all handlers is not held")
	case <-time.After(20 * holdPause):
	}
	all.strays.Add(-2)
	ends("a connection when there are few strays again", held)
	all.strays.Add(2)
	greedy.over.Store(true)
	ends("a connection that is closed", read(greedy))
}

// TestMayWait checks that the connections that have handlers share what may wait.
func TestMayWait(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ hosts, handlers, want int64 }{
		{0, 0, maxWaiting},
		{1, 1, maxWaiting},
		{4, 100, maxWaiting},
		{8, 100, 8},
		{40, 40, leastWaiting},
		{500, 500, leastWaiting},
		{1, 501, leastWaiting},
	} {
		all := newStreams(1000, 1000, time.Hour)
		all.hosts.Store(tt.hosts)
		all.handlers.Store(tt.handlers)
		if got := all.mayWait(); got != tt.want {
			t.Errorf("%d connections with %d handlers: %d streams of each may wait, want %d", tt.hosts, tt.handlers, got, tt.want)
		}
	}
}
