package gateway

import (
	"fmt"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

// servicesAnnotation names services whose clusters an EnvoyFilter needs, as
// NAMESPACE/HOST. Without it istiod leaves them out if it sends gateways only what their
// routes use (PILOT_FILTER_GATEWAY_CLUSTER_CONFIG).
const servicesAnnotation = "envoyfilter.istio.io/referenced-services"

// EnvoyFilter returns the EnvoyFilter that makes a gateway ask tagproc. It depends
// on the keys of the rules, their owned and propagated headers and
// trustClientTags: tables that agree on these have equal EnvoyFilters. An error is about
// options, and begins with the option's name as a flag, or says that the rules have no
// tag header.
func EnvoyFilter(t *rules.Table, o Options) (*manifest.Object, error) {
	s, err := o.settings()
	if err != nil {
		return nil, err
	}
	h := headersOf(t)
	if h.owned.IsZero() {
		return nil, errNothingOwned
	}
	if h.visitors > 0 && s.target.kind == waypoint {
		return nil, fmt.Errorf("--target %s: the rules give visitors cookies, which applications do not keep: that is for a gateway", o.Target)
	}
	patches, err := patchesOf(t, h, s)
	if err != nil {
		return nil, err
	}
	filter := envoyfilter.Filter{
		Name:      o.Name,
		Namespace: o.Namespace,
		Selector:  s.selector,
		Selected:  s.selected(),
		Target:    s.target.name,
		Comment:   s.purpose(h),
		Patches:   patches,
	}
	if s.address.Service != "" && s.DataPath == ExtProc {
		filter.Annotations = map[string]string{servicesAnnotation: s.address.Namespace() + "/" + s.address.Service}
	}
	return filter.Object(), nil
}

// Warnings returns what to know before one applies the EnvoyFilter of these rules.
func Warnings(t *rules.Table, d DataPath) (warnings []string) {
	if d == Lua {
		return luaWarnings(t)
	}
	h := headersOf(t)
	if !h.declared {
		warnings = append(warnings, "no tagHeaders are declared, so the gateway takes the tag headers of these rules and no other: "+
			"a rule with a new one needs a new render; declare tagHeaders (or --tag-header, --tag-header-prefix), and such a rule is refused")
	}
	if len(h.keys) == 0 {
		warnings = append(warnings, "without rules the gateway forwards no key: the first rule needs a new render")
	}
	return warnings
}

// purpose returns what the object is for, and when to render it again.
func (s *settings) purpose(h headers) string {
	if s.DataPath == Lua {
		return "The " + s.target.kind.word() + " decides the tags of each request itself, by the rules in Lua. For Istio 1.28 and newer.\n\n" +
			"The rules are part of it: after every edit of them, render and apply it again."
	}
	what := "The " + s.target.kind.word() + " asks tagproc for the tags of each request. For Istio 1.28 and newer.\n\n"
	if h.declared {
		return what + "It follows from tagHeaders, propagation and trustClientTags, and from what the rules\n" +
			"look at: keys, and hosts, paths and headers of a match; visitors' cookies. (With\n" +
			"forwarded, from that instead of what they look at.) After an edit of these, render it\n" +
			"again. For ranges, users, and rules that look at nothing new and write within\n" +
			"tagHeaders, it stays as it is."
	}
	return what + "It follows from the headers that the rules read and write, for these rules declare\n" +
		"no tagHeaders: a rule that writes another header needs a new render. Declare\n" +
		"tagHeaders, and rules that this gateway would not follow are refused."
}

// described returns in a few words where the owned headers come from.
func (h headers) described() string {
	if h.declared {
		return "the tagHeaders of the rules"
	}
	return "the headers that the rules write"
}

func patchesOf(t *rules.Table, h headers, s *settings) ([]envoyfilter.Patch, error) {
	filter, err := s.filter(t, h)
	if err != nil {
		return nil, err
	}
	around, err := manager(h, s.Behaviour)
	if err != nil {
		return nil, err
	}
	merged, err := managerFilter(around, h, s.Behaviour)
	if err != nil {
		return nil, err
	}
	purpose := "The connection managers around it."
	if h.trusted {
		purpose += " Tag headers that clients send are not\n" +
			"removed: the rules say trustClientTags: true."
	} else if s.target.kind == waypoint {
		purpose += " Clients are applications and gateways:\n" +
			"tags that they send are removed too, and tagproc decides again, by the key. With\n" +
			"trustClientTags: true in the rules, tags that come stay."
	}
	var patches []envoyfilter.Patch
	if h.visitors > 0 {
		visitors, err := visitorsFilter(h.visitors)
		if err != nil {
			return nil, err
		}
		patches = append(patches, s.placeVisitors(visitors))
	}
	patches = append(patches, s.place(filter), envoyfilter.MergeConnectionManager(s.context(), merged, purpose))
	if s.address.Socket == "" || s.DataPath == Lua {
		return patches, nil
	}
	cluster, err := envoyfilter.SocketCluster(contract.GatewayFilter, s.address.Socket, "In a volume that the gateway's container and tagproc's both mount.")
	if err != nil {
		return nil, err
	}
	return append(patches, envoyfilter.AddCluster(s.context(), cluster, "Where tagproc is: a Unix socket.")), nil
}

// filter returns the filter that decides.
func (s *settings) filter(t *rules.Table, h headers) (*manifest.Tree, error) {
	if s.DataPath == Lua {
		return luaFilter(t, s.Behaviour)
	}
	filter, err := httpFilter(h, s.call())
	if err == nil {
		commentService(filter, s.address)
	}
	return filter, err
}

// commentService adds comments that are about Istio to the ext_proc filter.
func commentService(filter *manifest.Tree, a envoyfilter.Address) {
	filter.Comment("A name of its own: Istio looks for the usual one.", "name")
	if a.Socket != "" {
		return
	}
	filter.Comment("Istio's own cluster for this port of the Service: the pods that are\n"+
		"ready, mTLS, no bound of requests. To the Service's IP every stream\n"+
		"would go over one connection, to one pod.", envoyfilter.TypedConfig, "grpc_service", "envoy_grpc", "cluster_name")
	filter.Comment("Otherwise the cluster's name, which is not a host.", envoyfilter.TypedConfig, "grpc_service", "envoy_grpc", "authority")
}

// placeVisitors returns the patch that inserts the filter of visitors beside tagproc's.
// Either may be the first: it acts on the response alone.
func (s *settings) placeVisitors(filter *manifest.Tree) envoyfilter.Patch {
	const purpose = "Visitors without an id are given one."
	if s.Phase == PhaseRouter {
		return envoyfilter.BeforeRouter(s.context(), filter, purpose)
	}
	return envoyfilter.First(s.context(), filter, purpose)
}

// place returns the patch that inserts the filter. Before authentication means first:
// without authentication no other filter could mark that place.
func (s *settings) place(filter *manifest.Tree) envoyfilter.Patch {
	if s.Phase == PhaseRouter {
		return envoyfilter.BeforeRouter(s.context(), filter,
			"The filter that tags, before the router: a key may be a header that authentication\n"+
				"makes of a verified token, and requests that are refused are not asked about.")
	}
	return envoyfilter.First(s.context(), filter,
		"The filter that tags, first: before authentication, where a WasmPlugin of the phase\n"+
			"AUTHN runs, and before external authorization too. A key is what the client sent.")
}
