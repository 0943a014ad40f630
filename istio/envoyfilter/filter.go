package envoyfilter

import (
	networking "istio.io/api/networking/v1alpha3"
	typev1beta1 "istio.io/api/type/v1beta1"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/manifest"
)

// A Filter is an EnvoyFilter: patches of the configuration that istiod sends to the Envoys
// of some pods.
type Filter struct {
	Name        string
	Namespace   string            // of the pods; Istio's root namespace means those of all
	Selector    map[string]string // labels that the pods have, all of them; empty: all pods
	Selected    string            // a comment that says which pods they are
	Target      string            // a Gateway of the Gateway API, instead of Selector; "": none
	Annotations map[string]string
	Comment     string // above the object
	Patches     []Patch
}

// A Patch is a patch of an EnvoyFilter.
type Patch struct {
	// Patch says where. Its value comes from Value: Envoy does not spell fields as Istio
	// does.
	Patch   *networking.EnvoyFilter_EnvoyConfigObjectPatch
	Value   *manifest.Tree
	Comment string // above the patch
}

// afterOthers is the priority of an EnvoyFilter that looks for a place among filters:
// Istio applies it after those without a priority. Otherwise the order of creation would
// decide, and `istioctl analyze` warns of that.
const afterOthers = 10

// Object returns f as an object to write.
func (f *Filter) Object() *manifest.Object {
	m := &networking.EnvoyFilter{}
	if len(f.Selector) > 0 {
		m.WorkloadSelector = &networking.WorkloadSelector{Labels: f.Selector}
	}
	if f.Target != "" {
		m.TargetRefs = []*typev1beta1.PolicyTargetReference{{Group: GatewayAPI, Kind: "Gateway", Name: f.Target}}
	}
	for _, p := range f.Patches {
		m.ConfigPatches = append(m.ConfigPatches, p.Patch)
		if p.Patch.GetPatch().GetOperation() == networking.EnvoyFilter_Patch_INSERT_BEFORE {
			m.Priority = afterOthers
		}
	}
	spec := manifest.NewTree(m, false)
	if m.GetPriority() != 0 {
		spec.Comment("After EnvoyFilters without a priority: what they insert before the router is ahead of\nthis.", "priority")
	}
	for i, p := range f.Patches {
		spec.Put(p.Value, "value", "configPatches", i, "patch")
		spec.Comment(p.Comment, "configPatches", i)
	}
	switch {
	case f.Selected == "":
	case m.GetWorkloadSelector() != nil:
		spec.Comment(f.Selected, "workloadSelector")
	case m.GetTargetRefs() != nil:
		spec.Comment(f.Selected, "targetRefs")
	}
	return &manifest.Object{
		APIVersion:  "networking.istio.io/v1alpha3",
		Kind:        "EnvoyFilter",
		Name:        f.Name,
		Namespace:   f.Namespace,
		Labels:      map[string]string{"app.kubernetes.io/name": "tagproc"},
		Annotations: f.Annotations,
		Comment:     f.Comment,
		Spec:        spec,
	}
}

// TypedConfig is the key below which Envoy nests the configuration of an extension.
const TypedConfig = "typed_config"

// GatewayAPI is the API group of the Gateway API.
const GatewayAPI = "gateway.networking.k8s.io"

// A Context selects listeners.
type Context struct {
	patch    networking.EnvoyFilter_PatchContext
	listener string // "": all that there are
}

// The contexts.
var (
	Gateway  = Context{patch: networking.EnvoyFilter_GATEWAY}
	Inbound  = Context{patch: networking.EnvoyFilter_SIDECAR_INBOUND}
	Outbound = Context{patch: networking.EnvoyFilter_SIDECAR_OUTBOUND}
	// Waypoint is the listener of a waypoint that has requests to its services. The one
	// before it has the tunnels that requests come in.
	Waypoint = Context{patch: networking.EnvoyFilter_SIDECAR_INBOUND, listener: "main_internal"}
)

// First inserts an HTTP filter before all others.
func First(c Context, filter *manifest.Tree, comment string) Patch {
	return Patch{
		Patch:   patch(networking.EnvoyFilter_HTTP_FILTER, networking.EnvoyFilter_Patch_INSERT_FIRST, connectionManagers(c)),
		Value:   filter,
		Comment: comment,
	}
}

// BeforeRouter inserts an HTTP filter directly before the router, after all others.
func BeforeRouter(c Context, filter *manifest.Tree, comment string) Patch {
	match := connectionManagers(c)
	match.GetListener().GetFilterChain().GetFilter().SubFilter = &networking.EnvoyFilter_ListenerMatch_SubFilterMatch{Name: contract.Router}
	return Patch{
		Patch:   patch(networking.EnvoyFilter_HTTP_FILTER, networking.EnvoyFilter_Patch_INSERT_BEFORE, match),
		Value:   filter,
		Comment: comment,
	}
}

// MergeConnectionManager merges value into the HTTP connection managers.
func MergeConnectionManager(c Context, value *manifest.Tree, comment string) Patch {
	return Patch{
		Patch:   patch(networking.EnvoyFilter_NETWORK_FILTER, networking.EnvoyFilter_Patch_MERGE, connectionManagers(c)),
		Value:   value,
		Comment: comment,
	}
}

// AddCluster adds a cluster.
func AddCluster(c Context, cluster *manifest.Tree, comment string) Patch {
	match := &networking.EnvoyFilter_EnvoyConfigObjectMatch{Context: c.patch}
	return Patch{
		Patch:   patch(networking.EnvoyFilter_CLUSTER, networking.EnvoyFilter_Patch_ADD, match),
		Value:   cluster,
		Comment: comment,
	}
}

func patch(to networking.EnvoyFilter_ApplyTo, o networking.EnvoyFilter_Patch_Operation, match *networking.EnvoyFilter_EnvoyConfigObjectMatch) *networking.EnvoyFilter_EnvoyConfigObjectPatch {
	return &networking.EnvoyFilter_EnvoyConfigObjectPatch{ApplyTo: to, Match: match, Patch: &networking.EnvoyFilter_Patch{Operation: o}}
}

// connectionManagers matches the HTTP connection managers of every listener.
func connectionManagers(c Context) *networking.EnvoyFilter_EnvoyConfigObjectMatch {
	return &networking.EnvoyFilter_EnvoyConfigObjectMatch{
		Context: c.patch,
		ObjectTypes: &networking.EnvoyFilter_EnvoyConfigObjectMatch_Listener{Listener: &networking.EnvoyFilter_ListenerMatch{
			Name: c.listener,
			FilterChain: &networking.EnvoyFilter_ListenerMatch_FilterChainMatch{
				Filter: &networking.EnvoyFilter_ListenerMatch_FilterMatch{Name: contract.ConnectionManager},
			},
		}},
	}
}
