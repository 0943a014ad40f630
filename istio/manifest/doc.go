// Package manifest is the manifests of Kubernetes as text: documents that are
// read with the place of everything in them, and objects that are written with
// comments, in an order that does not change.
//
// [Read] makes Documents of a file, and [Write] a file of Objects. What an object
// means is known to others; what is in a spec is said by the protobuf messages
// of Istio and Envoy.
//
// This package never knows files, networks, or a cluster.
package manifest
