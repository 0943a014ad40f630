// Package admin shows operators and probes a running tagproc over HTTP: the state of its
// rules, its health, and its metrics.
//
// It knows nothing of ext_proc and decides nothing.
package admin
