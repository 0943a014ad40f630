// Package gateway is Envoy's side of a set of rules, for a gateway of Istio: the
// EnvoyFilter that makes it ask tagproc, strip what clients forged, and take the
// tags.
//
// It knows what Envoy has to know of the rules (which headers they read, and which
// they may ever write) and the settings of Envoy without which requests were lost
// or tags forged. It never knows what a rule decides, which routes match on tags,
// or what a cluster has.
package gateway
