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
	l.selectors()
	l.emptyClusters()
	l.notInjected()
}

// selectors finds Gateways that select no pods.
func (l *linter) selectors() {
	for _, o := range l.manifests.Objects {
		spec, is := istioSpec[*networking.Gateway](o)
		if !is || len(spec.GetSelector()) == 0 {
			continue
		}
		if !slices.ContainsFunc(l.envoys.Workloads, func(w *Workload) bool { return selects(spec.GetSelector(), w.Labels) }) {
			l.found(o.Doc.Get("spec", "selector"), "gateway-selector", "select labels of the gateway's pods", "no pods have the labels %s: no gateway serves these ports", labelText(spec.GetSelector()))
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
			l.found(o.Doc.Get("spec", "workloadSelector"), "filter-selector", "select labels of the gateway's pods, in their namespace or in "+systemNamespace,
				"it holds for no gateway: no pods have the labels %s in %s", labelText(selector), o.Namespace)
		case !asked:
			l.found(patch, "filter-unapplied", "", "no gateway's Envoy gets this filter: Istio leaves the patch out by its match, or by the filter that it is to stand beside")
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
