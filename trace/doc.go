// Package trace says which way a request takes: at each Envoy what tagproc is sent and
// decides, which of it Envoy takes, which route that leads to, and why no other one.
//
// It decides nothing: explain does for tagproc, and envoyconf for Envoy. It never knows
// where configurations come from.
package trace
