package transport

import (
	"bytes"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/credentials/insecure"
)

// TestHeadersAlone checks that peers which send the headers of many streams at once, and
// nothing else, have few more goroutines than streams may wait, and that the stream of
// another connection is answered beside them. It counts goroutines, so it is alone.
func TestHeadersAlone(t *testing.T) { //nolint:paralleltest // see above
	const (
		peers, opened = 40, 1000
		waves         = 3
		most          = 500 // streams that wait
		surplus       = 2*maxStrays + waves*peers*(maxFree+maxWaitingWhenBusy+4)
	)
	before := runtime.NumGoroutine()
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
		var all bytes.Buffer
		p.Framer = http2.NewFramer(&all, p.Conn)
		for i := range opened {
			p.open(t, uint32(2*i+1), echoMethod)
		}
		attack.Go(func() {
			if _, err := p.Write(all.Bytes()); err != nil {
				t.Error(err)
			}
		})
	}
	attacked := make(chan struct{})
	go func() {
		defer close(attacked)
		attack.Wait()
	}()
	peak, deadline := 0, time.Now().Add(limit)
	for over := false; !over || all.strays.Load() > maxStrays; {
		if time.Now().After(deadline) {
			t.Fatalf("after %v %d handlers are strays", limit, all.strays.Load())
		}
		select {
		case <-attacked:
			over = true
		default:
		}
		answer()
		peak = max(peak, runtime.NumGoroutine()-before)
	}
	t.Logf("%d goroutines at most", peak)
	if peak > most+surplus {
		t.Errorf("there are %d goroutines more than before, want %d at most", peak, most+surplus)
	}
	answer()
}
