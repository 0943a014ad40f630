package envoyfilter

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/wrapperspb"
	extensions "istio.io/api/extensions/v1alpha1"
	typev1beta1 "istio.io/api/type/v1beta1"

	"github.com/tagproc/tagproc/istio/manifest"
)

// An Extension is a TrafficExtension: a Lua filter that Istio, 1.30 and newer, inserts into
// the Envoys of some pods.
type Extension struct {
	Name      string
	Namespace string            // of the pods; Istio's root namespace means those of all
	Selector  map[string]string // labels that the pods have, all of them; empty: all pods
	Selected  string            // a comment that says which pods they are
	Target    string            // a Gateway of the Gateway API, instead of Selector; "": none
	Comment   string            // above the object
	Side      Side
	// First puts it before Istio's authentication; otherwise it stands near the router.
	First bool
	Lua   string // the program
	About string // a comment on the program
}

// A Side says which requests of a pod an Extension sees.
type Side string

// The sides.
const (
	BothSides    Side = ""       // all; of a gateway there is one side
	OutboundSide Side = "CLIENT" // those that a pod sends
	InboundSide  Side = "SERVER" // those that it gets
)

// MaxExtensionLua is the most Lua that Istio's API takes, in bytes.
const MaxExtensionLua = 64 << 10

// ErrExtensionIsLua is the error of a data path that no Extension has.
var ErrExtensionIsLua = errors.New("--as trafficextension: expected --data-path lua: a TrafficExtension holds Lua or Wasm, and no ext_proc")

// firstPriority is the priority of an Extension that is to be first: Istio orders those
// of a phase by it, the greatest first.
const firstPriority = 1000

// Object returns e as an object to write, or an error if the program is too long.
func (e *Extension) Object() (*manifest.Object, error) {
	if len(e.Lua) > MaxExtensionLua {
		return nil, fmt.Errorf("--as trafficextension: the rules are %d bytes of Lua, and a TrafficExtension takes %d; name fewer users, or use an EnvoyFilter", len(e.Lua), MaxExtensionLua)
	}
	m := &extensions.TrafficExtension{
		FilterConfig: &extensions.TrafficExtension_Lua{Lua: &extensions.LuaConfig{InlineCode: e.Lua}},
	}
	selected := "selector"
	if len(e.Selector) > 0 {
		m.Selector = &typev1beta1.WorkloadSelector{MatchLabels: e.Selector}
	}
	if e.Target != "" {
		m.TargetRefs, selected = []*typev1beta1.PolicyTargetReference{{Group: GatewayAPI, Kind: "Gateway", Name: e.Target}}, "targetRefs"
	}
	if e.Side != BothSides {
		mode := typev1beta1.WorkloadMode(typev1beta1.WorkloadMode_value[string(e.Side)])
		m.Match = []*extensions.TrafficSelector{{Mode: mode}}
	}
	if e.First {
		m.Phase, m.Priority = extensions.TrafficExtension_AUTHN, wrapperspb.Int32(firstPriority)
	}
	spec := manifest.NewTree(m, false).Comment(e.About, "lua")
	if len(m.GetSelector().GetMatchLabels())+len(m.GetTargetRefs()) > 0 {
		spec.Comment(e.Selected, selected)
	}
	if e.First {
		spec.Comment("Before Istio's authentication, and before extensions of a lower priority.", "phase")
	}
	return &manifest.Object{
		APIVersion: "extensions.istio.io/v1alpha1", Kind: "TrafficExtension", Name: e.Name, Namespace: e.Namespace,
		Labels: map[string]string{"app.kubernetes.io/name": "tagproc"}, Comment: e.Comment, Spec: spec,
	}, nil
}
