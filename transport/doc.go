// Package transport is the gRPC server with its bounds: how many peers may connect, how
// long one may be silent, how large a message may be, and on which sockets the server
// listens, plain or with TLS.
//
// It takes every peer for hostile. A peer that exceeds a bound loses its stream or its
// connection, and others notice nothing. Memory is bounded for peers that are idle,
// silent or in haste. It is not bounded for peers that send parts of large messages on
// thousands of streams, or read no replies: grpc-go keeps at least 64 KiB for each
// stream. Keep such peers from the port.
//
// The server of [NewServer] ends a stream on which no request begins in time. It sets no
// time limit for an active stream, since a body in Envoy's mode FULL_DUPLEX_STREAMED may
// take minutes. When the limit of streams is reached, the connection with most of them
// loses one. Only a handler knows which message begins a request: it then calls the
// method Begun() of its grpc.ServerStream.
//
// # What this package never knows
//
// What a message means, and which services the server has.
package transport
