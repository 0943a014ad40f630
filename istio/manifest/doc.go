// Package manifest writes objects of Kubernetes: with comments, in an order that
// does not change. Package source reads them.
//
// [Write] makes a file of Objects. What an object means is known to others; what is
// in a spec is said by the protobuf messages of Istio and Envoy.
//
// This package never knows files, networks, or a cluster.
package manifest
