// Package h2spec runs h2spec's cases of HTTP/2 against tagproc, beside a server that
// grpc-go makes without tagproc's bounds: tagproc may be worse in no case.
package h2spec
