// Package envoy runs a real Envoy: it finds the binary, starts it with a
// configuration, learns the addresses it listens on, reads its counters and ends
// it.
//
// It knows Envoy's command line and admin API. It knows nothing of tagproc, of
// routes or of what a configuration says, except where it has ports and socket
// paths (Template).
package envoy
