package transport

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// end returns with what a stream ends, nil for well.
func end(stream grpc.ClientStream) error {
	err := stream.RecvMsg(new(wrapperspb.BytesValue))
	if err == nil {
		return errors.New("a message came instead of the end")
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// TestSilence holds that a stream on which nothing comes is ended, whatever its
// method, and one that has spoken is not.
func TestSilence(t *testing.T) {
	t.Parallel()
	r := start(t, Options{FirstMessage: 2 * time.Second})
	conn := r.dial(t)
	spoken := open(t, conn, echoMethod)
	if err := echo(spoken, "once"); err != nil {
		t.Fatal(err)
	}
	methods := map[string]codes.Code{
		echoMethod:                           codes.OK,
		healthv1.Health_Watch_FullMethodName: codes.OK,
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": codes.OK,
		healthv1.Health_Check_FullMethodName:                        codes.DeadlineExceeded, // not a stream
	}
	for method, want := range methods {
		began := time.Now()
		err := end(open(t, conn, method))
		if status.Code(err) != want || time.Since(began) >= limit { // when the client gives up
			t.Errorf("a silent stream of %s ends after %v with %v, want %v", method, time.Since(began), err, want)
		}
	}
	awaitMetric(t, r.registry, "tagproc_streams_reaped_total", 3)
	if err := echo(spoken, "and again"); err != nil {
		t.Errorf("a stream that has spoken fails after the limit: %v", err)
	}
}

// TestLooks holds that a stream is silent for as many looks as make the limit, and
// then ended.
func TestLooks(t *testing.T) {
	t.Parallel()
	all := &silences{max: 1, maxOpen: 1, period: time.Hour, reaped: prometheus.NewCounter(prometheus.CounterOpts{}), looking: true}
	s := &silentStream{ServerStream: noMessages{ctx: t.Context()}, silences: all, stream: noStream{}}
	all.begin(s)
	look := func() {
		all.look()
		all.looking = true // and not by the clock
	}
	for n := range silencePeriods {
		if look(); !s.listed {
			t.Fatalf("a stream is ended at look %d, want %d", n+1, silencePeriods+1)
		}
	}
	if look(); s.listed || testutil.ToFloat64(all.reaped) != 1 {
		t.Errorf("after %d looks it is listed: %v, and %v were reaped; want that it was", silencePeriods+1, s.listed, testutil.ToFloat64(all.reaped))
	}
}

// TestOpenStreamsAreBounded holds that of too many open streams the last one ends
// at once, and well, and that one that ends makes room.
func TestOpenStreamsAreBounded(t *testing.T) {
	t.Parallel()
	all := &silences{max: 10, maxOpen: 1, period: time.Hour, refused: prometheus.NewCounter(prometheus.CounterOpts{})}
	handled := 0
	handler := func(any, grpc.ServerStream) error {
		handled++
		if err := all.intercept(nil, noMessages{ctx: t.Context()}, nil, func(any, grpc.ServerStream) error {
			handled++
			return nil
		}); err != nil {
			t.Errorf("a stream too many ends with %v, want well", err)
		}
		return nil
	}
	for range 2 {
		if err := all.intercept(nil, noMessages{ctx: t.Context()}, nil, handler); err != nil {
			t.Error(err)
		}
	}
	if refused := testutil.ToFloat64(all.refused); handled != 2 || refused != 2 {
		t.Errorf("%d handlers ran and %v streams were refused, want 2 and 2", handled, refused)
	}
}

// TestTornMessage holds that the beginning of a message is not a message.
func TestTornMessage(t *testing.T) {
	t.Parallel()
	r := start(t, Options{FirstMessage: 100 * time.Millisecond})
	p := r.rawPeer(t)
	p.open(t, 1, echoMethod)
	if err := p.WriteData(1, false, []byte{0, 0, 0, 0, 100, 'x'}); err != nil { // 1 byte of 100
		t.Fatal(err)
	}
	awaitMetric(t, r.registry, "tagproc_streams_reaped_total", 1)
}

// TestSilentStreamsAreBounded holds that of too many silent streams those that
// have been silent for longest are ended, and no others.
func TestSilentStreamsAreBounded(t *testing.T) {
	t.Parallel()
	all := &silences{max: 2, maxOpen: 10, period: time.Hour, reaped: prometheus.NewCounter(prometheus.CounterOpts{})}
	s := grpc.NewServer(grpc.StreamInterceptor(all.intercept))
	s.RegisterService(&echoDesc, nil)
	l := listen(t, "127.0.0.1:0", ListenOptions{})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	conn := dial(t, l.Addr().String(), insecure.NewCredentials())
	spoken := open(t, conn, echoMethod)
	if err := echo(spoken, "hello"); err != nil {
		t.Fatal(err)
	}
	begin := func(count int) grpc.ClientStream {
		t.Helper()
		stream := open(t, conn, echoMethod)
		for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
			all.mu.Lock()
			got := all.count
			all.mu.Unlock()
			if got == count {
				return stream
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d streams are silent, want %d", got, count)
			}
		}
	}
	oldest, middle := begin(1), begin(2)
	newest := open(t, conn, echoMethod)
	if err := end(oldest); err != nil {
		t.Errorf("the oldest ends with %v, want that it ends well", err)
	}
	for name, stream := range map[string]grpc.ClientStream{"middle": middle, "newest": newest, "spoken": spoken} {
		if err := echo(stream, "hello"); err != nil {
			t.Errorf("the %s stream: %v", name, err)
		}
	}
	mute := begin(1)
	if err := mute.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := end(mute); err != nil {
		t.Errorf("a stream that its client ends without a word ends with %v", err)
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.count != 0 || all.oldest != nil || all.newest != nil {
		t.Errorf("%d streams are taken for silent, and all have spoken or ended", all.count)
	}
}
