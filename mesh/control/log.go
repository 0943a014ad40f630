package control

import "istio.io/istio/pkg/log"

// Quiet has Istio log nothing: what it would log is for those who run a control plane.
func Quiet() {
	for _, s := range log.Scopes() {
		s.SetOutputLevel(log.NoneLevel)
	}
}
