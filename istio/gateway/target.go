package gateway

import (
	"fmt"
	"strings"

	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
)

// A target is an object Gateway of the Gateway API, whose pods Istio makes.
type target struct {
	kind targetKind
	name string
}

// A targetKind is what the Envoys of a Gateway are.
type targetKind string

const (
	ingressGateway targetKind = "gateway"
	waypoint       targetKind = "waypoint" // of ambient mode, before the Services that use it
)

// word returns what comments call it.
func (k targetKind) word() string {
	if k == waypoint {
		return "waypoint"
	}
	return "gateway"
}

func parseTarget(s string) (target, error) {
	kind, name, _ := strings.Cut(s, "/")
	t := target{kind: targetKind(kind), name: name}
	if (t.kind != ingressGateway && t.kind != waypoint) || !manifest.IsName(name) {
		return target{}, fmt.Errorf("--target %q: expected gateway/NAME or waypoint/NAME, with the name of a Gateway (kubectl get gateways)", s)
	}
	return t, nil
}

// context returns the listeners in which requests are tagged. In a waypoint Istio applies
// what is for inbound requests.
func (s *settings) context() envoyfilter.Context {
	if s.target.kind == waypoint {
		return envoyfilter.Waypoint
	}
	return envoyfilter.Gateway
}

// selected says whose Envoys they are.
func (s *settings) selected() string {
	if s.target.name == "" {
		return "The gateway's pods."
	}
	return "The pods that Istio makes for this Gateway, which is in the same namespace."
}
