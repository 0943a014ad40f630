// Package gateway is Envoy's side of a set of rules, for a gateway of Istio: the
// EnvoyFilter that makes it ask tagproc, remove what clients forge, and accept the tags.
//
// It knows what Envoy must know about the rules (which headers they read, and which they
// may ever write) and the settings of Envoy without which requests are lost or tags
// forged. It never knows what a rule decides, which routes match on tags, or what a
// cluster has.
package gateway
