package transport

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// TestFrames holds which frames bring something, however they are cut into reads.
func TestFrames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		write func(f *http2.Framer) error
		want  bool // as often as one likes
	}{
		{"HEADERS", func(f *http2.Framer) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("x"), EndHeaders: true})
		}, true},
		{"DATA", func(f *http2.Framer) error { return f.WriteData(1, false, []byte("x")) }, true},
		{"the end of a stream", func(f *http2.Framer) error { return f.WriteData(1, true, nil) }, true},
		{"DATA without any", func(f *http2.Framer) error { return f.WriteData(1, false, nil) }, false},
		{"PING", func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) }, false},
		{"SETTINGS", func(f *http2.Framer) error { return f.WriteSettings() }, false},
		{"CONTINUATION", func(f *http2.Framer) error { return f.WriteContinuation(1, false, []byte("x")) }, false},
		{"RST_STREAM", func(f *http2.Framer) error { return f.WriteRSTStream(1, http2.ErrCodeCancel) }, false},
		{"a frame that nobody knows", func(f *http2.Framer) error { return f.WriteRawFrame(0xbb, 0, 1, make([]byte, 1000)) }, false},
	}
	for _, tt := range tests {
		for _, cut := range []int{1, 7, 9, 4096} {
			t.Run(fmt.Sprintf("%s in reads of %d", tt.name, cut), func(t *testing.T) {
				t.Parallel()
				var frame bytes.Buffer
				if err := tt.write(http2.NewFramer(&frame, nil)); err != nil {
					t.Fatal(err)
				}
				f, now := newFrames(), time.Now()
				read := func(b []byte) bool {
					for ; len(b) > cut; b = b[cut:] {
						if !f.read(b[:cut], now) {
							return false
						}
					}
					return f.read(b, now)
				}
				ok := read([]byte(http2.ClientPreface))
				for range maxIdleFrames {
					ok = ok && read(frame.Bytes())
				}
				if !ok {
					t.Fatalf("refused among the first %d", maxIdleFrames)
				}
				later := f
				if got := read(frame.Bytes()); got != tt.want {
					t.Errorf("one more after %d: taken %v, want %v", maxIdleFrames, got, tt.want)
				}
				f, now = later, now.Add(idlePeriod+1)
				if !read(frame.Bytes()) {
					t.Errorf("one more after %d, and after %v: refused", maxIdleFrames, idlePeriod)
				}
			})
		}
	}
}

// TestIdleFrames holds that a peer that sends nothing but frames without a use
// loses its connection, and others notice nothing.
func TestIdleFrames(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	other := open(t, r.dial(t), echoMethod)
	p := r.rawPeer(t)
	go func() {
		for p.WriteSettings() == nil {
		}
	}()
	awaitClosed(t, p)
	if err := echo(other, "hello"); err != nil {
		t.Errorf("the stream of another: %v", err)
	}
}

// TestYield holds that streams which wait hold up the next read until they have
// begun, and those that never will do not for ever.
func TestYield(t *testing.T) {
	t.Parallel()
	g := new(guest)
	g.waiting.Store(maxWaiting)
	g.yield()
	if got := g.waiting.Load(); got != maxWaiting {
		t.Errorf("with as many streams waiting as may: %d afterwards, want %d", got, maxWaiting)
	}
	g.waiting.Store(maxWaiting + 1)
	g.yield()
	if got := g.waiting.Load(); got != 0 {
		t.Errorf("with one more that never begins: %d afterwards, want 0", got)
	}
}

// TestUnknownMethod holds that a call of what is not there is refused before there
// is a goroutine for it.
func TestUnknownMethod(t *testing.T) {
	t.Parallel()
	conn := start(t, Options{}).dial(t)
	if got, want := end(open(t, conn, "/test.Echo/Nothing")), errUnknownMethod; got == nil || got.Error() != want.Error() {
		t.Errorf("a call of a method that is not there: %v, want %v", got, want)
	}
}

// TestMaxCalls holds that a connection may have so many calls open that are no
// streams, and that one that ends makes room.
func TestMaxCalls(t *testing.T) {
	t.Parallel()
	conn := start(t, Options{FirstMessage: limit}).dial(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range maxCalls {
		if _, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, healthv1.Health_Check_FullMethodName); err != nil {
			t.Fatal(err)
		}
	}
	check := func() error {
		_, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
		return err
	}
	if err := check(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one call too many: %v, want ResourceExhausted", err)
	}
	cancel()
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v, with no other call open: %v", limit, err)
		}
	}
}
