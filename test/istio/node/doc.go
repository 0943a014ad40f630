// Package node is the machine that the tests' pods run on: namespaces for the whole
// test process, which nothing leaves, and in them a bridge with a network namespace
// for each pod.
//
// It needs Linux with user namespaces, or root, and in the kernel veth, bridge and
// nf_tables; no program of the machine. It knows addresses and ports, and which of
// them a sidecar takes over. It knows nothing of Kubernetes.
package node
