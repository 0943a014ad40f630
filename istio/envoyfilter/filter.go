package envoyfilter

import (
	networking "istio.io/api/networking/v1alpha3"

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
	if m.GetWorkloadSelector() != nil && f.Selected != "" {
		spec.Comment(f.Selected, "workloadSelector")
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

// A Context selects listeners.
type Context = networking.EnvoyFilter_PatchContext

// The contexts.
const (
	Gateway  Context = networking.EnvoyFilter_GATEWAY
	Inbound  Context = networking.EnvoyFilter_SIDECAR_INBOUND
	Outbound Context = networking.EnvoyFilter_SIDECAR_OUTBOUND
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
	match := &networking.EnvoyFilter_EnvoyConfigObjectMatch{Context: c}
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
		Context: c,
		ObjectTypes: &networking.EnvoyFilter_EnvoyConfigObjectMatch_Listener{Listener: &networking.EnvoyFilter_ListenerMatch{
			FilterChain: &networking.EnvoyFilter_ListenerMatch_FilterChainMatch{
				Filter: &networking.EnvoyFilter_ListenerMatch_FilterMatch{Name: contract.ConnectionManager},
			},
		}},
	}
}
