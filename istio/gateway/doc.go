// Package gateway is Envoy's side of a set of rules, where requests come in: what makes
// Envoy ask tagproc, remove what clients forge, and accept the tags. [EnvoyFilter] has it
// for a gateway of Istio, and [Config] for an Envoy that no control plane configures.
//
// It knows what Envoy must know about the rules (which headers they read, and which they
// may ever write) and the settings of Envoy without which requests are lost or tags
// forged. It never knows what a rule decides, or what a cluster has. Which routes match on
// tags it is told.
package gateway
