package transport

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// calls are the calls of a server from their first bytes until their handlers
// begin.
type calls struct {
	unaryLimit time.Duration
	kinds      func() map[string]kind // by the full names of methods
}

// A kind is what a method is.
type kind int

const (
	unknown kind = iota
	unary        // passes no stream interceptor
	streaming
)

var errUnknownMethod = status.Error(codes.Unimplemented, "unknown method")

// kindsOf returns the kinds of the methods of s by their full names.
func kindsOf(s *grpc.Server) map[string]kind {
	kinds := map[string]kind{}
	for service, info := range s.GetServiceInfo() {
		for _, m := range info.Methods {
			k := unary
			if m.IsClientStream || m.IsServerStream {
				k = streaming
			}
			kinds["/"+service+"/"+m.Name] = k
		}
	}
	return kinds
}

// gRPC calls tap for each call before anything else, on the goroutine that reads from
// the connection. tap counts streams until their handlers begin, and gives every other
// call a deadline.
//
// It refuses nothing: grpc-go leaks the timer of a client's grpc-timeout when a tap
// does, or when the context that it returns has ended.
func (c *calls) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	if c.kinds()[info.FullMethodName] != unary {
		guestOf(ctx).waiting.Add(1)
		return ctx, nil
	}
	g := guestOf(ctx)
	ctx, cancel := context.WithTimeout(ctx, c.unaryLimit)
	g.called(cancel)
	context.AfterFunc(ctx, cancel) // it ends with its parent, which ends with the call
	return ctx, nil
}

// begun notes that the handler of a stream begins. It returns the connection, and also an
// error for a method that does not exist.
func (c *calls) begun(ctx context.Context, method string) (*guest, error) {
	g := guestOf(ctx)
	g.begun()
	if c.kinds()[method] == unknown {
		return g, errUnknownMethod
	}
	return g, nil
}
