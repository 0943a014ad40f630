// Package transport is the gRPC server with its bounds: how many peers may be
// connected, how long one may be silent, how large a message may be, and over
// which sockets they come, plain or with TLS.
//
// Whoever reaches the port is taken for hostile. A peer that does not keep the
// bounds loses its stream or its connection, others notice nothing, and what all
// of them together can make the process hold is limited.
//
// A stream that says nothing is ended by [NewServer]'s server, one that has
// spoken never is: a body in Envoy's mode FULL_DUPLEX_STREAMED may take minutes.
//
// # What this package never knows
//
// What a message means, and which services there are.
package transport
