// Package cluster runs the control plane of a Kubernetes for tests: etcd, kube-apiserver
// and, where it is asked for, kube-controller-manager, on free ports of the loopback. It
// has no nodes, so no pod runs.
//
// It knows nothing of tagproc, nor of what a test applies.
package cluster
