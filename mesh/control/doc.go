// Package control is Istio's control plane in this process: it decodes manifests as an
// API server does, gives them to Istio, and runs the analyzers of istioctl over them.
//
// It knows no pods that run and no Envoys.
package control
