// Package admin is what operators and probes see of a running tagproc: the state
// of its rules, its health, and its metrics, over HTTP.
//
// It knows nothing of ext_proc and decides nothing.
package admin
