// Package kube holds tests of tagproc on the real API server of Kubernetes: what it
// accepts of tagproc's manifests, and rules that are watched in a ConfigMap.
package kube
