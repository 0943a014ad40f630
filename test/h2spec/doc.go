// Package h2spec runs h2spec's cases of HTTP/2 against tagproc, beside a server that
// grpc-go makes without any bound of ours: in no case may tagproc be worse.
package h2spec
