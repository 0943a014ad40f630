// Package echo is the upstream of tests that ask what a gateway lets through: a
// server that answers each request with what reached it, byte for byte.
//
// It speaks HTTP/1.1 and, by prior knowledge, HTTP/2 without TLS on one port. Headers
// of the request steer the answer: its status, size, trailers and delay. It knows
// nothing of gateways, of rules or of what a header means. It only knows which
// headers are tags, for an answer that can be read without JSON.
package echo
