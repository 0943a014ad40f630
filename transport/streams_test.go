package transport

import (
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"
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

// TestStreamsWait checks that a stream on which no request begins is ended, whatever its
// method and whatever else comes on it, and one on which a request has begun is not.
func TestStreamsWait(t *testing.T) {
	t.Parallel()
	r := start(t, Options{FirstMessage: 10 * time.Second}) // within which a busy machine says something
	conn := r.dial(t)
	active := open(t, conn, echoMethod)
	if err := echo(active, "once"); err != nil {
		t.Fatal(err)
	}
	empty := open(t, conn, echoMethod) // says something all the time, which is no request
	said := make(chan error, 1)
	began := time.Now()
	go func() {
		for {
			if err := echo(empty, ""); err != nil {
				said <- err
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	methods := map[string]codes.Code{
		echoMethod:                           codes.OK,
		healthv1.Health_Watch_FullMethodName: codes.OK,
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": codes.OK,
		healthv1.Health_Check_FullMethodName:                        codes.DeadlineExceeded, // not a stream
	}
	var silent sync.WaitGroup
	for method, want := range methods {
		stream := open(t, conn, method)
		silent.Go(func() {
			err := end(stream)
			if status.Code(err) != want || time.Since(began) >= limit { // when the client gives up
				t.Errorf("a silent stream of %s ends after %v with %v, want %v", method, time.Since(began), err, want)
			}
		})
	}
	silent.Wait()
	watch := open(t, conn, healthv1.Health_Watch_FullMethodName)
	if err := errors.Join(watch.SendMsg(&healthv1.HealthCheckRequest{}), watch.CloseSend()); err != nil {
		t.Fatal(err)
	}
	if err := watch.RecvMsg(new(healthv1.HealthCheckResponse)); err != nil {
		t.Fatal(err)
	}
	if err := end(watch); err != nil || time.Since(began) >= limit {
		t.Errorf("a stream of health that was answered ends with %v, want well", err)
	}
	if err := <-said; !errors.Is(err, io.EOF) || time.Since(began) >= limit {
		t.Errorf("a stream with empty messages ends after %v with %v, want well", time.Since(began), err)
	}
	awaitMetric(t, r.registry, "tagproc_streams_reaped_total", 5)
	if err := echo(active, "and again"); err != nil {
		t.Errorf("an active stream fails after the limit: %v", err)
	}
}

// A bench has streams of connections without a server.
type bench struct {
	*testing.T
	*streams

	ended map[*stream]bool
}

// endingStream notes that its stream was ended.
type endingStream struct {
	noStream

	ended func()
}

func (s endingStream) WriteStatus(*status.Status) error {
	s.ended()
	return nil
}

func newBench(t *testing.T, maxWaiting, most int) *bench {
	t.Helper()
	b := &bench{T: t, streams: newStreams(maxWaiting, most, time.Hour), ended: map[*stream]bool{}}
	b.looking = true // and never by the clock
	return b
}

// open begins a stream, and reports whether it was let in.
func (b *bench) open(g *guest) (s *stream, ok bool) {
	s = &stream{ServerStream: noMessages{ctx: b.Context()}, all: b.streams, guest: g}
	s.endable = endingStream{ended: func() { b.ended[s] = true }}
	return s, b.begin(s)
}

// fill opens streams and expects that all are let in.
func (b *bench) fill(g *guest, n int, active bool) (all []*stream) {
	b.Helper()
	for range n {
		s, ok := b.open(g)
		if !ok {
			b.Fatal("a stream is refused, want that there is room")
		}
		if active {
			s.Begun()
		}
		all = append(all, s)
	}
	return all
}

// expect checks which streams have been ended, and what was counted.
func (b *bench) expect(what string, reaped, refused int, ended ...*stream) {
	b.Helper()
	if len(b.ended) != len(ended) {
		b.Errorf("%s: %d streams are ended, want %d", what, len(b.ended), len(ended))
	}
	for i, s := range ended {
		if !b.ended[s] {
			b.Errorf("%s: stream %d of those that are to be ended is not", what, i)
		}
	}
	if got := int(testutil.ToFloat64(b.reaped)); got != reaped {
		b.Errorf("%s: %d were reaped, want %d", what, got, reaped)
	}
	if got := int(testutil.ToFloat64(b.refused)); got != refused {
		b.Errorf("%s: %d were refused, want %d", what, got, refused)
	}
}

// TestLooks checks that a stream waits for as many looks as make the limit, and is
// then ended, and that an active one stays.
func TestLooks(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10, 10)
	g := new(guest)
	s, active := b.fill(g, 1, false)[0], b.fill(g, 1, true)[0]
	look := func() {
		b.look()
		b.looking = true // and not by the clock
	}
	for range lookPeriods {
		look()
		b.expect("within the limit", 0, 0)
	}
	look()
	b.expect("after it", 1, 0, s)
	s.Begun() // comes too late
	b.end(s)
	b.end(active)
	look()
	if b.waiting+b.active != 0 || len(b.guests) != 0 || g.share.listed {
		t.Errorf("%d wait and %d are active of %d connections, and all have ended", b.waiting, b.active, len(b.guests))
	}
}

// TestSoleConnection checks that a connection alone has all streams, and that of
// one too many the last is refused: those that are active go on.
func TestSoleConnection(t *testing.T) {
	t.Parallel()
	b := newBench(t, 5, 10)
	g := new(guest)
	all := b.fill(g, 10, true)
	if _, ok := b.open(g); ok {
		t.Error("a stream too many is let in")
	}
	b.expect("one too many", 0, 0)
	b.end(all[3])
	b.fill(g, 1, true)
	b.expect("where one has ended", 0, 0)
}

// TestShares checks that a connection which has few streams gets one where there are
// too many, and that the one with most gives it up: one that waits, else its oldest.
func TestShares(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10, 10)
	greedy, modest, newcomer := new(guest), new(guest), new(guest)
	active := b.fill(greedy, 5, true)
	waiting := b.fill(greedy, 1, false)
	b.fill(modest, 4, true)
	b.fill(newcomer, 1, true)
	b.expect("one that waits", 0, 1, waiting[0])
	b.fill(newcomer, 1, true)
	b.expect("an active one", 0, 2, waiting[0], active[0])
	b.fill(newcomer, 1, true) // 4, 4 and 2: the most is still more than an equal share
	if _, ok := b.open(newcomer); ok {
		t.Error("a connection takes a stream from one that has no more than it would have then")
	}
	if _, ok := b.open(greedy); ok {
		t.Error("a connection with most takes a stream from another")
	}
	got := []int{greedy.share.count(), modest.share.count(), newcomer.share.count()}
	slices.Sort(got)
	if !slices.Equal(got, []int{3, 3, 4}) {
		t.Errorf("three connections have %v streams, want that none has more than one more than another", got)
	}
}

// TestWaitingStreamsAreBounded checks that where too many streams wait the connection
// with most of them gets no more, and loses the one that has waited longest to another.
func TestWaitingStreamsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, 4, 100)
	ours, theirs := new(guest), new(guest)
	active := b.fill(theirs, 20, true)
	other := b.fill(ours, 1, false)
	silent := b.fill(theirs, 3, false)
	if _, ok := b.open(theirs); ok {
		t.Error("one too many of theirs is let in")
	}
	b.expect("one too many of theirs", 0, 0)
	b.fill(ours, 1, false)
	b.expect("one of ours", 1, 0, silent[0])
	if b.ended[active[0]] || b.ended[other[0]] {
		t.Error("an active stream, or one of a connection with few, is ended")
	}
	if b.waiting != 4 || b.active != 20 {
		t.Errorf("%d streams wait and %d are active, want 4 and 20", b.waiting, b.active)
	}
}

// TestStreamsAgainstModel checks by random histories that the counts are those of
// the queues, that the bounds hold, and that nothing is ended while there is room.
func TestStreamsAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t, rapid.IntRange(1, 8).Draw(rt, "waiting"), rapid.IntRange(8, 16).Draw(rt, "streams"))
		guests := []*guest{new(guest), new(guest), new(guest)}
		var running []*stream
		rt.Repeat(map[string]func(*rapid.T){
			"open": func(rt *rapid.T) {
				g := rapid.SampledFrom(guests).Draw(rt, "connection")
				full, ended := b.waiting+b.active >= b.max || b.waiting >= b.maxWaiting, len(b.ended)
				s, ok := b.open(g)
				if (!ok || len(b.ended) > ended) && !full {
					rt.Error("a stream is ended or refused while there is room")
				}
				if ok {
					running = append(running, s)
				}
			},
			"begin": func(rt *rapid.T) {
				if len(running) > 0 {
					rapid.SampledFrom(running).Draw(rt, "stream").Begun()
				}
			},
			"end": func(rt *rapid.T) {
				if len(running) > 0 {
					i := rapid.IntRange(0, len(running)-1).Draw(rt, "stream")
					b.end(running[i])
					running = slices.Delete(running, i, i+1)
				}
			},
			"look": func(*rapid.T) {
				b.look()
				b.looking = true
			},
			"": func(rt *rapid.T) {
				waiting, active := 0, 0
				for _, g := range guests {
					for n, q := range map[*int]*queue{&waiting: &g.share.waiting, &active: &g.share.active} {
						length := 0
						for s := q.oldest; s != nil; s = s.next {
							length++
							if s.in != q || b.ended[s] {
								rt.Error("a stream is in a queue that it does not know of, or was ended")
							}
						}
						if length != q.count {
							rt.Errorf("a queue has %d streams and says %d", length, q.count)
						}
						*n += length
					}
				}
				if waiting != b.waiting || active != b.active || waiting > b.maxWaiting || waiting+active > b.max {
					rt.Errorf("%d streams wait and %d are active, counted as %d and %d", waiting, active, b.waiting, b.active)
				}
			},
		})
	})
}

// TestStreamsHeld checks over the wire that one connection with as many active
// streams as there are keeps no other from its own.
func TestStreamsHeld(t *testing.T) {
	t.Parallel()
	const most = 20
	all := newStreams(most, most, time.Hour)
	server := NewServer(Options{})
	server.Stop()
	s := grpc.NewServer(grpc.Creds(server.door), grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		return all.serve(guestOf(ss.Context()), srv, ss, handler)
	}))
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
	theirs, ours := dial(t, l.Addr().String(), insecure.NewCredentials()), dial(t, l.Addr().String(), insecure.NewCredentials())
	var held []grpc.ClientStream
	for range most {
		stream := open(t, theirs, echoMethod)
		if err := echo(stream, "hello"); err != nil {
			t.Fatal(err)
		}
		held = append(held, stream)
	}
	awaitValue(t, most, func() float64 { // a handler says so after its reply
		all.mu.Lock()
		defer all.mu.Unlock()
		return float64(all.active)
	})
	if err := end(open(t, theirs, echoMethod)); err != nil {
		t.Errorf("one more of theirs ends with %v, want well", err)
	}
	for range most {
		stream := open(t, ours, echoMethod)
		if err := echo(stream, "hello"); err != nil {
			t.Fatalf("a stream of ours beside theirs: %v", err)
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if err := end(stream); err != nil {
			t.Fatal(err)
		}
	}
	if err := end(held[0]); err != nil {
		t.Errorf("their oldest stream ends with %v, want well", err)
	}
	if err := echo(held[most-1], "and again"); err != nil {
		t.Errorf("their newest stream: %v, want that it goes on", err)
	}
}

// TestTornMessage checks that the beginning of a message is not a message.
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
