// Package transport is the gRPC server with its bounds: how many peers may be
// connected, how long one may be silent, how large a message may be, and over
// which sockets they come, plain or with TLS.
//
// Whoever reaches the port is taken for hostile. A peer that does not keep the
// bounds loses its stream or its connection, and others notice nothing. Memory is
// bounded for peers that are idle, silent or in haste. It is not for those that send
// parts of large messages on thousands of streams, or read no replies: grpc-go keeps
// at least 64 KiB for each stream. They have to be kept from the port.
//
// A stream on which no request begins in time is ended by [NewServer]'s server. One
// that is active never is for its time, since a body in Envoy's mode
// FULL_DUPLEX_STREAMED may take minutes; but where there are as many streams as
// memory is meant for, the connection that has most gives one up. Which message
// begins a request its handler knows: it calls the method Begun() of the
// grpc.ServerStream that it is given.
//
// # What this package never knows
//
// What a message means, and which services there are.
package transport
