// Package istio holds tests of what tagproc has for Istio, through the real control
// plane and real Envoys; package cluster is what they run on.
package istio
