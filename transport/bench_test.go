package transport

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// BenchmarkStreams is what the bounds of streams add to each request: the tap, the
// interceptor, and one message without gRPC's part of it. A request costs about
// 30 µs.
func BenchmarkStreams(b *testing.B) {
	all := newStreams(maxWaitingStreams, maxStreams, time.Minute)
	kinds := map[string]kind{echoMethod: streaming}
	calls := &calls{unaryLimit: time.Minute, kinds: func() map[string]kind { return kinds }}
	handler := func(_ any, stream grpc.ServerStream) error { return stream.RecvMsg(nil) }
	ctx := grpc.NewContextWithServerTransportStream(b.Context(), noStream{})
	ctx = grpcpeer.NewContext(ctx, &grpcpeer.Peer{AuthInfo: admission{guest: new(guest)}})
	others := new(guest)
	for range 5000 { // that wait
		all.begin(&stream{ServerStream: noMessages{ctx: ctx}, all: all, guest: others})
	}
	b.ReportAllocs()
	for b.Loop() {
		ctx, err := calls.tap(ctx, &tap.Info{FullMethodName: echoMethod})
		if err != nil {
			b.Fatal(err)
		}
		g, err := calls.begun(ctx, echoMethod)
		if err != nil {
			b.Fatal(err)
		}
		if err := all.serve(g, nil, noMessages{ctx: ctx}, handler); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFull is a stream where there is no room, and the connection with most has
// to be found among 1,024.
func BenchmarkFull(b *testing.B) {
	all := newStreams(maxWaitingStreams, maxStreams, time.Hour)
	ctx := b.Context()
	begin := func(g *guest) *stream {
		s := &stream{ServerStream: noMessages{ctx: ctx}, all: all, guest: g, endable: noStream{}}
		if !all.begin(s) {
			b.Fatal("a stream of a connection with few is refused")
		}
		return s
	}
	for range DefaultMaxConnections {
		g := new(guest)
		for range maxStreams / DefaultMaxConnections {
			begin(g).Begun()
		}
	}
	greedy, ours := new(guest), new(guest)
	for range 8 {
		all.end(all.guests[0].share.active.oldest) // makes room
		all.guests = append(all.guests[1:], all.guests[0])
		begin(greedy).Begun()
	}
	b.ReportAllocs()
	for b.Loop() {
		all.end(begin(ours))  // takes one of another
		begin(greedy).Begun() // and there is none free again
	}
}

// newStreams returns streams without a server.
func newStreams(maxWaiting, most int, period time.Duration) *streams {
	return &streams{
		maxWaiting: maxWaiting, max: most, period: period,
		reaped: prometheus.NewCounter(prometheus.CounterOpts{}), refused: prometheus.NewCounter(prometheus.CounterOpts{}),
	}
}

// noMessages is a stream on which each message has come at once.
type noMessages struct {
	grpc.ServerStream

	ctx context.Context
}

func (s noMessages) Context() context.Context { return s.ctx }
func (noMessages) RecvMsg(any) error          { return nil }

// noStream is what gRPC has below.
type noStream struct{}

func (noStream) Method() string                   { return echoMethod }
func (noStream) SetHeader(metadata.MD) error      { return nil }
func (noStream) SendHeader(metadata.MD) error     { return nil }
func (noStream) SetTrailer(metadata.MD) error     { return nil }
func (noStream) WriteStatus(*status.Status) error { return nil }
