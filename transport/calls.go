package transport

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// A kind says what a method is.
type kind int

const (
	unknown kind = iota
	unary        // passes no interceptor before its message is there
	stream
)

var errUnknownMethod = status.Error(codes.Unimplemented, "there is no such method")

// kindsOf returns the kinds of the methods of s by their full names.
func kindsOf(s *grpc.Server) map[string]kind {
	kinds := map[string]kind{}
	for service, info := range s.GetServiceInfo() {
		for _, m := range info.Methods {
			k := unary
			if m.IsClientStream || m.IsServerStream {
				k = stream
			}
			kinds["/"+service+"/"+m.Name] = k
		}
	}
	return kinds
}

// boundCalls returns a tap, which gRPC calls for each stream before anything else,
// on the goroutine that reads from the connection. Streams are counted until their
// handlers begin. A call that is no stream gets a deadline, which ends it as a
// whole, and a connection may have only so many open.
func boundCalls(limit time.Duration, kinds func() map[string]kind) tap.ServerInHandle {
	return func(ctx context.Context, info *tap.Info) (context.Context, error) {
		switch kinds()[info.FullMethodName] {
		case stream:
			guestOf(ctx).waiting.Add(1)
			return ctx, nil
		case unary:
			g := guestOf(ctx)
			if g.calls.Add(1) > maxCalls {
				g.calls.Add(-1)
				return nil, status.Errorf(codes.ResourceExhausted, "this connection has %d calls open, which is as many as it may", maxCalls)
			}
			ctx, cancel := context.WithTimeout(ctx, limit)
			context.AfterFunc(ctx, func() { // it ends with its parent, which ends with the call
				cancel()
				g.calls.Add(-1)
			})
			return ctx, nil
		}
		return nil, errUnknownMethod
	}
}
