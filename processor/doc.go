// Package processor answers Envoy's external processing filter (ext_proc): it
// reads the headers of a request, asks a [rules.Table] about them, and tells
// Envoy which tag headers to set and which to remove. That is at a gateway; a
// sidecar has another [Direction], which its stream says.
//
// # The way of a message
//
// A [Stream] is one gRPC stream, which is one HTTP request. Stream.Reply takes
// the bytes of a ProcessingRequest and appends the bytes of the reply:
//
//   - request.go reads the request in place from the wire format,
//   - decide.go finds keys and owned headers in it and asks the table,
//   - hop.go writes tags into the header baggage, and removes forged ones from it; at
//     sidecars it turns members into headers instead, or headers into members,
//   - reply.go puts the reply together, and metadata.go what it says about the
//     decisions, from pieces that plan.go prepares when rules are loaded.
//
// None of it allocates, takes a lock or formats anything. [Register] serves it with
// grpc-go.
//
// # What Envoy gets
//
// No answer of this package is an error. Without failure_mode_allow Envoy answers 500
// to a gRPC error or a wrong reply, and even with it to a reply that it cannot apply.
// So this package answers "no change" to whatever it does not understand, or ends the
// stream well without a reply, which passes the request untagged. The same happens
// when too many messages are pending
// ([Options].MaxPending), and what made tagproc panic.
//
// The stream ends with the first answer: up to version 1.36 Envoy keeps a
// stream open until the HTTP request ends, and its cluster's request limit is
// soon reached by streams that wait for nothing. Only when bodies come in mode
// FULL_DUPLEX_STREAMED does the stream stay, because Envoy then waits for every
// piece of the body to be handed back.
//
// # What this package never knows
//
// How a key is hashed and what a policy says, where rules come from, and HTTP.
package processor
