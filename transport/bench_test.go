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

// BenchmarkFirstMessage is what the limit for the first message adds to each
// request: the tap, the interceptor, and one message, of which gRPC's part is left
// out. A request costs about 30 µs.
func BenchmarkFirstMessage(b *testing.B) {
	all := &silences{max: maxSilent, maxOpen: maxOpen, period: time.Minute, reaped: prometheus.NewCounter(prometheus.CounterOpts{})}
	kinds := map[string]kind{echoMethod: stream}
	calls := &calls{unaryLimit: time.Minute, kinds: func() map[string]kind { return kinds }}
	info := &grpc.StreamServerInfo{FullMethod: echoMethod}
	handler := func(_ any, stream grpc.ServerStream) error { return stream.RecvMsg(nil) }
	ctx := grpc.NewContextWithServerTransportStream(b.Context(), noStream{})
	ctx = grpcpeer.NewContext(ctx, &grpcpeer.Peer{AuthInfo: admission{guest: new(guest)}})
	for range 5000 { // others, that are silent
		all.begin(&silentStream{ServerStream: noMessages{ctx: ctx}})
	}
	b.ReportAllocs()
	for b.Loop() {
		ctx, err := calls.tap(ctx, &tap.Info{FullMethodName: echoMethod})
		if err != nil {
			b.Fatal(err)
		}
		if err := calls.begun(ctx, echoMethod); err != nil {
			b.Fatal(err)
		}
		if err := all.intercept(nil, noMessages{ctx: ctx}, info, handler); err != nil {
			b.Fatal(err)
		}
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
