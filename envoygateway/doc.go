// Package envoygateway is a set of rules in the resources of Envoy Gateway: what makes the
// Envoys of a Gateway ask tagproc, and remove what clients forge.
//
// It knows what Envoy Gateway 1.9 can say, and says what it cannot. It never knows what a
// rule decides, what a cluster has, or which routes match on tags.
package envoygateway
