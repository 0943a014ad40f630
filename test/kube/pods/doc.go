// Package pods holds tests of tagproc in the pods of a Kubernetes: deploy's manifests and
// the commands of docs/deployment.md with the real kubectl, where Kubernetes' own kubelet
// starts, probes, updates and ends the pods. There is no Istio: a plain Envoy asks tagproc.
package pods
