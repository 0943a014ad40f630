// Package cluster runs the control plane of a Kubernetes for tests: etcd, kube-apiserver
// and, where it is asked for, kube-controller-manager and kube-scheduler, on free ports. It
// has no nodes of its own: pods run where a test has a node join.
//
// It knows nothing of tagproc, nor of what a test applies.
package cluster
