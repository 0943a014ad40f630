// Package differential tests tagproc's promise as a difference: what passes a plain
// Envoy passes an Envoy with tagproc, and neither the upstream nor the client can
// tell the two apart, except by the tags.
//
// One Envoy listens twice, as internal/mesh has it and without tagproc and its
// limits. Generated requests go to both, byte for byte. A request that makes a
// difference is made smaller while it still does, and kept in testdata, from where
// every later run begins.
//
// A sidecar's two data paths are compared in the same way, in two listeners for each
// direction: what Envoy's Lua filter makes of a request, tagproc makes of it too.
//
//	go test ./test/differential -args -full            # 10,000 requests per Envoy
//	go test ./test/differential -args -seed 7          # other requests
package differential
