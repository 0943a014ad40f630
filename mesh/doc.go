// Package mesh is what Istio makes of manifests, without a cluster: the configuration of
// the Envoy of each gateway and of each kind of pod, as models of envoyconf.
//
// [Read] reads manifests and rules, and [Build] runs Istio's control plane over them, as a
// library: routes, subsets, hosts, gateways and patches mean what they mean to Istio. Pods
// are made of templates, one of each; gateways whose pods the manifests do not have are
// made as Istio's chart would.
//
// The package is given content, and asks no cluster.
package mesh
