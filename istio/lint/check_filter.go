package lint

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/lint"
)

// patches returns the patches that make a gateway ask tagproc: the filters, those that
// write visitors' cookies, what they need of the connection managers, and the clusters
// that they ask.
func (m *model) patches() (ps []*patch) {
	for _, f := range m.filters {
		ps = append(ps, &f.patch)
		for _, c := range m.clusters {
			if c.GetName() == f.Cluster() {
				ps = append(ps, &c.patch)
				break
			}
		}
	}
	for _, w := range m.writers {
		ps = append(ps, &w.patch)
	}
	for _, h := range m.managers {
		if m.isOurs(h) {
			ps = append(ps, &h.patch)
		}
	}
	return ps
}

// filterDocs returns the first patch of each EnvoyFilter among them.
func (m *model) filterDocs() (ps []*patch) {
	for _, p := range m.patches() {
		if !slices.ContainsFunc(ps, func(o *patch) bool { return o.doc == p.doc }) {
			ps = append(ps, p)
		}
	}
	return ps
}

// gatewayName is the label of the pods that Istio makes for a Gateway of the Gateway API.
const gatewayName = "gateway.networking.k8s.io/gateway-name"

// filterSelector finds an EnvoyFilter that does not hold for the gateway.
func filterSelector(m *model, found found) {
	for _, p := range m.filterDocs() {
		labels, at := p.filter.GetWorkloadSelector().GetLabels(), place{p.doc, []any{"spec", "workloadSelector", "labels"}}
		if len(labels) == 0 || labels[gatewayName] != "" {
			continue // Istio makes the pods of a Gateway of the Gateway API
		}
		pods := m.gatewayPods()
		space := namespace(p.doc)
		matched := func(w *workload) bool { return contains(w.Metadata.Labels, labels) }
		here := func(w *workload) bool { return space == rootNamespace || namespace(w.doc) == space }
		switch {
		case slices.ContainsFunc(pods, func(w *workload) bool { return matched(w) && here(w) }):
		case slices.ContainsFunc(pods, matched):
			found(place{p.doc, []any{"metadata", "namespace"}},
				fmt.Sprintf("an EnvoyFilter of namespace %s holds for pods of that namespace alone, and the gateway's are elsewhere", space),
				"put it into the namespace of the gateway, or into "+rootNamespace)
		case len(pods) > 0:
			var there []string
			for _, w := range pods {
				there = append(there, labelText(w.Metadata.Labels))
			}
			found(at, fmt.Sprintf("no pods of a gateway have the labels %s, only %s: the gateway does not ask tagproc", labelText(labels), list(there)), "select the labels of the gateway's pods")
		}
	}
}

// agree reports whether pods can have both sets of labels.
func agree(a, b map[string]string) bool {
	for k, v := range a {
		if other, ok := b[k]; ok && other != v {
			return false
		}
	}
	return true
}

// filterEverywhere finds an EnvoyFilter that says nothing of whom it is for.
func filterEverywhere(m *model, found found) {
	for _, p := range m.filterDocs() {
		if len(p.filter.GetWorkloadSelector().GetLabels()) > 0 || len(p.filter.GetTargetRefs()) > 0 {
			continue
		}
		whom := "every gateway"
		if p.GetMatch().GetContext() == networking.EnvoyFilter_ANY {
			whom = "every gateway and every sidecar"
		}
		where := " of its namespace"
		if namespace(p.doc) == rootNamespace {
			where = " of the mesh"
		}
		found(place{p.doc, []any{"spec"}}, fmt.Sprintf("without a workloadSelector this holds for %s%s", whom, where), "select the labels of the gateway's pods")
	}
}

// filterContext finds patches for another kind of Envoy than the gateway's.
func filterContext(m *model, found found) {
	for _, p := range m.patches() {
		if !p.hasGatewayContext() && m.isForGateway(p) {
			found(p.in("match", "context"), fmt.Sprintf("%s is not the context of a gateway: Istio leaves this patch out", p.GetMatch().GetContext()), "write GATEWAY")
		}
	}
}

// hasGatewayContext reports whether Istio takes the patch for gateways.
func (p *patch) hasGatewayContext() bool {
	c := p.GetMatch().GetContext()
	return c == networking.EnvoyFilter_ANY || c == networking.EnvoyFilter_GATEWAY
}

// isForGateway reports whether the EnvoyFilter of a patch is for a gateway: by its
// pods, or because another of its patches is.
func (m *model) isForGateway(p *patch) bool {
	labels := p.filter.GetWorkloadSelector().GetLabels()
	if len(labels) > 0 && slices.ContainsFunc(m.gatewayPods(), func(w *workload) bool { return contains(w.Metadata.Labels, labels) }) {
		return true
	}
	return slices.ContainsFunc(p.filter.GetConfigPatches(), func(o *networking.EnvoyFilter_EnvoyConfigObjectPatch) bool {
		return o.GetMatch().GetContext() == networking.EnvoyFilter_GATEWAY
	})
}

func (p *patch) networkFilter() *networking.EnvoyFilter_ListenerMatch_FilterMatch {
	return p.GetMatch().GetListener().GetFilterChain().GetFilter()
}

var atAnchor = []any{"match", "listener", "filterChain", "filter", "subFilter", "name"}

// filterOrder finds a filter that comes after the router, which ends the chain.
func filterOrder(m *model, found found) {
	const why = "the filter comes after the router, which has to be the last: Envoy refuses the listener, and the gateway goes on with the one before, or with none"
	for _, f := range m.filters {
		if f.GetApplyTo() == networking.EnvoyFilter_EXTENSION_CONFIG {
			continue // where it stands is said by the filter that asks for it
		}
		operation := f.GetPatch().GetOperation()
		anchor := f.networkFilter().GetSubFilter().GetName()
		switch {
		case operation == networking.EnvoyFilter_Patch_ADD,
			operation == networking.EnvoyFilter_Patch_INSERT_AFTER && (anchor == "" || anchor == contract.Router):
			found(f.in("patch", "operation"), why, "write INSERT_BEFORE, with the subFilter "+contract.Router)
		}
	}
}

// Filters that Istio puts into the chain of a gateway, some of them only where
// something asks for them.
var anchors = []string{
	contract.Router, "istio.metadata_exchange", "istio.alpn", "istio.stats", "istio_authn", "envoy.filters.http.jwt_authn", "envoy.filters.http.rbac",
	"envoy.filters.http.ext_authz", "envoy.filters.http.ext_proc", "envoy.filters.http.fault", "envoy.filters.http.cors", "envoy.filters.http.grpc_stats", "envoy.filters.http.grpc_web",
	"envoy.filters.http.stateful_session", "envoy.filters.http.dynamic_forward_proxy",
}

// unknownAnchor finds a filter that is to stand beside one that is not there:
// Istio leaves it out.
func unknownAnchor(m *model, found found) {
	for _, p := range m.patches() {
		if p.GetApplyTo() == networking.EnvoyFilter_CLUSTER {
			continue
		}
		if name := p.networkFilter().GetName(); name != "" && name != contract.ConnectionManager {
			found(p.in("match", "listener", "filterChain", "filter", "name"), fmt.Sprintf("no listener of a gateway has a filter %q with HTTP filters in it: Istio leaves this patch out%s", name, lint.DidYouMean(name, []string{contract.ConnectionManager})),
				"write "+contract.ConnectionManager)
		}
		known := slices.Concat(anchors, m.inserted)
		if name := p.networkFilter().GetSubFilter().GetName(); name != "" && !slices.Contains(known, name) {
			found(p.in(atAnchor...), fmt.Sprintf("neither Istio nor these files have an HTTP filter %q: Istio leaves this patch out%s", name, lint.DidYouMean(name, known)),
				"write "+contract.Router)
		}
	}
}

// filterName finds the name that Istio gives a filter of its own.
func filterName(m *model, found found) {
	for _, f := range m.filters {
		if f.Name == "envoy.filters.http.ext_proc" {
			found(f.value("name"), "Istio's InferencePool has a filter of this name, whose settings for a route would hold for tagproc's", "name it tagproc")
		}
	}
}

// twoFilters finds a second filter at the same gateway.
func twoFilters(m *model, found found) {
	for i, f := range m.filters {
		for _, o := range m.filters[:i] {
			if agree(f.filter.GetWorkloadSelector().GetLabels(), o.filter.GetWorkloadSelector().GetLabels()) {
				found(f.value("name"), fmt.Sprintf("the gateway asks twice: another ext_proc filter is at %s", o.value("name")), "apply one of the two forms, and delete the other")
				break
			}
		}
	}
}

// An outbound is what the name of one of Istio's clusters says.
type outbound struct {
	port, subset, host string
}

// parseOutbound reads the name of a cluster that Istio makes of a Service, or
// returns nil.
func parseOutbound(name string) *outbound {
	parts := strings.Split(name, "|")
	if len(parts) != 4 || parts[0] != "outbound" {
		return nil
	}
	return &outbound{port: parts[1], subset: parts[2], host: parts[3]}
}
