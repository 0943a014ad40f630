package mesh

import (
	"math"
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	upstreamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/source"
)

type kubeService = corev1.Service

var proxyContainer = corev1.Container{Name: proxyName, Image: "istio/proxyv2"}

// routes yields the routes of an Envoy, those for its own application apart.
func (one *Envoy) routes(yield func(r *envoyconf.Route) bool) {
	seen := map[*envoyconf.RouteConfig]bool{}
	for _, l := range one.Config.Listeners {
		if l.GetTrafficDirection() == corev3.TrafficDirection_INBOUND {
			continue
		}
		for _, c := range l.Chains {
			if c.HTTP == nil || c.HTTP.Routes == nil || seen[c.HTTP.Routes] {
				continue
			}
			seen[c.HTTP.Routes] = true
			for _, h := range c.HTTP.Routes.Hosts {
				for _, r := range h.Routes {
					if !yield(r) {
						return
					}
				}
			}
		}
	}
}

// targets returns the clusters that routes and filters of an Envoy ask.
func (one *Envoy) targets() map[string]bool {
	names := map[string]bool{}
	for r := range one.routes {
		for _, c := range r.Target(&envoyconf.Request{}).Clusters {
			names[c.Cluster] = true
		}
	}
	for _, l := range one.Config.Listeners {
		for _, c := range l.Chains {
			if c.HTTP == nil {
				continue
			}
			for _, f := range c.HTTP.Filters {
				if p, is := f.Config.(*extprocv3.ExternalProcessor); is {
					names[p.GetGrpcService().GetEnvoyGrpc().GetClusterName()] = true
				}
			}
		}
	}
	delete(names, "")
	return names
}

// assume gives an Envoy a cluster, and nothing is known of it.
func (one *Envoy) assume(name string) {
	one.Config.Clusters = append(one.Config.Clusters, &envoyconf.Cluster{Cluster: &clusterv3.Cluster{
		Name: name, TypedExtensionProtocolOptions: map[string]*anypb.Any{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
		CircuitBreakers: &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
			MaxRequests: wrapperspb.UInt32(math.MaxUint32), MaxRetries: wrapperspb.UInt32(math.MaxUint32),
		}}},
	}})
}

// http2 has a cluster speak HTTP/2.
var http2 = func() *anypb.Any {
	packed, err := anypb.New(&upstreamv3.HttpProtocolOptions{UpstreamProtocolOptions: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_{
		ExplicitHttpConfig: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig{ProtocolConfig: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{}},
	}})
	if err != nil {
		panic(err)
	}
	return packed
}()

// ofIstio adds what Istio leaves out without a word.
func (l *linter) ofIstio() {
	l.concern()
	l.unapplied()
	l.selectors()
	l.emptyClusters()
	l.notInjected()
}

// isTag reports whether a header is a tag of the rules.
func (l *linter) isTag(name string) bool {
	return slices.ContainsFunc(l.manifests.Rules, func(r *Rules) bool { return r.Table.Owned().Contains(name) })
}

// concern finds the VirtualServices that follow tags, and those for the same hosts.
func (l *linter) concern() {
	l.concerned = map[*Object]bool{}
	hosts := map[string]bool{}
	for _, o := range l.manifests.Objects {
		spec, is := istioSpec[*networking.VirtualService](o)
		if !is || !l.follows(spec) {
			continue
		}
		l.concerned[o] = true
		for _, h := range spec.GetHosts() {
			hosts[fullHost(h, o.Namespace)] = true
		}
	}
	for _, o := range l.manifests.Objects {
		spec, is := istioSpec[*networking.VirtualService](o)
		if is && slices.ContainsFunc(spec.GetHosts(), func(h string) bool { return hosts[fullHost(h, o.Namespace)] }) {
			l.concerned[o] = true
		}
	}
}

// follows reports whether a VirtualService matches a tag or sets one.
func (l *linter) follows(spec *networking.VirtualService) bool {
	for _, r := range spec.GetHttp() {
		for _, m := range r.GetMatch() {
			for name := range m.GetHeaders() {
				if l.isTag(strings.ToLower(name)) {
					return true
				}
			}
			for name := range m.GetWithoutHeaders() {
				if l.isTag(strings.ToLower(name)) {
					return true
				}
			}
		}
		for name := range r.GetHeaders().GetRequest().GetSet() {
			if l.isTag(strings.ToLower(name)) {
				return true
			}
		}
	}
	return false
}

func fullHost(host, namespace string) string {
	if strings.Contains(host, ".") || strings.Contains(host, "*") {
		return strings.ToLower(host)
	}
	return strings.ToLower(host) + "." + namespace + ".svc.cluster.local"
}

// unapplied finds VirtualServices whose routes no Envoy has where they are bound.
func (l *linter) unapplied() {
	atGateway, inMesh := map[*Object]bool{}, map[*Object]bool{}
	sidecars := false
	for _, one := range l.envoys.All {
		sidecars = sidecars || !one.Gateway
		for r := range one.routes {
			path := r.GetMetadata().GetFilterMetadata()["istio"].GetFields()["config"].GetStringValue()
			if o := l.envoys.object(path); o != nil {
				if one.Gateway {
					atGateway[o] = true
				} else {
					inMesh[o] = true
				}
			}
		}
	}
	for _, o := range l.manifests.Objects {
		spec, is := istioSpec[*networking.VirtualService](o)
		if !is || !l.concerned[o] || len(spec.GetHosts()) == 0 || len(spec.GetHttp()) == 0 {
			continue
		}
		l.bound(o, spec, atGateway[o], inMesh[o], sidecars)
	}
}

// bound judges one VirtualService by where Envoys have its routes.
func (l *linter) bound(o *Object, spec *networking.VirtualService, atGateway, inMesh, sidecars bool) {
	at := o.Doc.Get("spec", "hosts")
	names := slices.DeleteFunc(slices.Clone(spec.GetGateways()), func(g string) bool { return g == "mesh" })
	mesh := len(names) == len(spec.GetGateways()) && len(names) == 0 || len(names) < len(spec.GetGateways())
	var unknown []string
	for _, name := range names {
		if l.gateway(name, o.Namespace) == nil {
			unknown = append(unknown, name)
		}
	}
	where := o.Doc.Get("spec", "gateways")
	switch {
	case len(unknown) > 0:
		l.found(where, source.Error, "unknown-gateway", "write it as NAMESPACE/NAME", "there is no Gateway %s: no gateway has these routes", strings.Join(unknown, ", "))
	case len(names) > 0 && !atGateway:
		l.found(at, source.Error, "gateway-hosts", "let a server of the Gateway have the host, for this namespace, and no older VirtualService all of its paths",
			"no gateway has these routes: %s serves none of the hosts %s of namespace %s", strings.Join(names, ", "), strings.Join(spec.GetHosts(), ", "), o.Namespace)
	}
	switch {
	case !mesh:
	case !sidecars:
		l.cannotTell("routes of the mesh: the files have no pods with a sidecar")
	case !inMesh && len(names) == 0:
		l.unmeshed(o, spec, at)
	}
}

// unmeshed says why no sidecar has the routes of a VirtualService without gateways.
func (l *linter) unmeshed(o *Object, spec *networking.VirtualService, at source.Value) {
	for _, other := range l.manifests.Objects {
		rival, is := istioSpec[*networking.VirtualService](other)
		if is && other != o && slices.ContainsFunc(rival.GetHosts(), func(h string) bool {
			return slices.ContainsFunc(spec.GetHosts(), func(mine string) bool { return fullHost(h, other.Namespace) == fullHost(mine, o.Namespace) })
		}) {
			l.found(at, source.Error, "two-virtual-services", "make them one", "no sidecar has these routes: VirtualService %s/%s is for the same host", other.Namespace, other.Name)
			return
		}
	}
	for _, h := range spec.GetHosts() {
		name, namespace, is := splitHost(fullHost(h, o.Namespace))
		if is && !slices.ContainsFunc(l.envoys.services, func(s *kubeService) bool { return s.Namespace == namespace }) {
			l.cannotTell("whether Service %s is there: the files have none of namespace %s", name, namespace)
			return
		}
		for _, s := range l.envoys.services {
			if s.Name == name && s.Namespace == namespace {
				l.found(at, source.Error, "not-http", "name the port http, http2 or grpc, or give it an appProtocol", "no sidecar has these routes: no port of Service %s is for HTTP", h)
				return
			}
		}
	}
	l.found(at, source.Error, "mesh-only", "bind it to a Gateway (gateways), or name the Service that callers ask", "no Envoy has these routes: no Service has the hosts %s, and they are bound to no gateway", strings.Join(spec.GetHosts(), ", "))
}

// gateway returns the Gateway that a VirtualService of a namespace names, or nil.
func (l *linter) gateway(name, namespace string) *Object {
	namespace, name = gatewayOf(name, namespace)
	for _, o := range slices.Concat(l.manifests.Objects, l.envoys.taken) {
		if o.Kind == "Gateway" && o.Namespace == namespace && o.Name == name {
			return o
		}
	}
	return nil
}

// selectors finds Gateways that select no pods.
func (l *linter) selectors() {
	for _, o := range l.manifests.Objects {
		spec, is := istioSpec[*networking.Gateway](o)
		if !is || len(spec.GetSelector()) == 0 {
			continue
		}
		if !slices.ContainsFunc(l.envoys.Workloads, func(w *Workload) bool { return selects(spec.GetSelector(), w.Labels) }) {
			l.found(o.Doc.Get("spec", "selector"), source.Error, "gateway-selector", "select labels of the gateway's pods", "no pods have the labels %s: no gateway serves these ports", labelText(spec.GetSelector()))
		}
	}
}

// filters finds EnvoyFilters that have tagproc asked, and that no gateway's Envoy gets.
func (l *linter) filters(asked bool) {
	gateways := slices.ContainsFunc(l.envoys.All, func(one *Envoy) bool { return one.Gateway })
	for _, o := range l.manifests.Objects {
		patch := extProc(o)
		if !patch.Exists() {
			continue
		}
		spec, _ := istioSpec[*networking.EnvoyFilter](o)
		selector := spec.GetWorkloadSelector().GetLabels()
		switch {
		case !gateways:
			l.cannotTell("whether a gateway gets EnvoyFilter %s: the files have no Gateway", o.Name)
		case len(selector) > 0 && !slices.ContainsFunc(l.envoys.All, func(one *Envoy) bool {
			return selects(selector, one.Labels) && (o.Namespace == systemNamespace || o.Namespace == one.Namespace)
		}):
			l.found(o.Doc.Get("spec", "workloadSelector"), source.Error, "filter-selector", "select labels of the gateway's pods, in their namespace or in "+systemNamespace,
				"it holds for no gateway: no pods have the labels %s in %s", labelText(selector), o.Namespace)
		case !asked:
			l.found(patch, source.Error, "filter-unapplied", "", "no gateway's Envoy gets this filter: Istio leaves the patch out by its match, or by the filter that it is to stand beside")
		}
	}
}

// extProc returns the patch of an EnvoyFilter that has a gateway ask tagproc, or nothing.
func extProc(o *Object) source.Value {
	if o.Kind != "EnvoyFilter" {
		return source.Value{}
	}
	for _, p := range o.Doc.Get("spec", "configPatches").Elements() {
		value := p.Get("patch", "value")
		if p.Text("applyTo") == "HTTP_FILTER" && strings.Contains(value.Text("typed_config", "@type")+value.Text("typedConfig", "@type"), "ext_proc") &&
			!strings.Contains(p.Text("match", "context"), "SIDECAR") {
			return p
		}
	}
	return source.Value{}
}
