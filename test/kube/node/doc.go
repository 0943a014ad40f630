// Package node is a node of a Kubernetes for tests: Kubernetes' own kubelet, and a container
// runtime that runs the containers of pods as processes of this machine, each pod in a
// network namespace of its own, each container with its own files and process ids.
//
// There are no images but those that a test names, one user, no limits of memory or CPU,
// and no network policies. It knows nothing of tagproc.
package node
