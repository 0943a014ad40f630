// Package cluster is a Kubernetes cluster with Istio, as far as the tests of
// manifests need one, in one process: it takes manifests as they are and makes what
// they say run.
//
//   - The control plane is Istio's own, in the test process. Objects of Istio are
//     checked as its webhook checks them, with warnings being errors, and given to it.
//   - Deployments become pods: a network namespace with an address, a process for
//     each container, in the container's own files, and a sidecar where the namespace
//     or the pod asks for one. Envoys are real ones and get everything from the
//     control plane; connections are redirected to them as Istio's init container
//     does it. ConfigMaps are mounted as a kubelet mounts them, and follow changes.
//   - Services have an address on the node that their ready pods stand behind, and a
//     name in each pod.
//
// Objects are decoded strictly, and anything that the cluster does not support is an
// error. Ignored are schedulers, resource limits, network policies, other users than
// root, liveness probes and mTLS (there is no certificate authority; fixtures say so
// to Istio).
//
// Main has to be called by TestMain: everything happens in namespaces that nothing
// leaves. It knows what an answer of the sample applications looks like, and nothing
// of rules.
package cluster
