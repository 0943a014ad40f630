// Package manifests holds the tests of what deploy/kustomize offers to Kubernetes,
// by the engines that apply it: kustomize builds it, Kubernetes' types decode it,
// Istio's charts and its injector make pods of it, and tagproc runs with its
// arguments. It needs no cluster and knows nothing of requests: whether tags
// arrive is for the tests beside it.
package manifests
