package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/lint"
)

// bootstrap are the clusters that every Envoy of Istio has.
var bootstrap = []string{"xds-grpc", "sds-grpc", "agent", "prometheus_stats", "zipkin", "PassthroughCluster", "BlackHoleCluster"}

// unknownCluster finds an ext_proc filter of a patch that asks a cluster which neither a
// patch adds nor Istio makes of a Service: Envoy passes each request untagged, without a
// word.
func unknownCluster(m *model, found found) {
	for _, f := range m.filters {
		name, at := f.Cluster(), wholeOf(f.GRPC("cluster_name"))
		o := parseOutbound(name)
		switch {
		case name == "" || slices.Contains(bootstrap, name):
		case o != nil:
			m.reportOutbound(o, at, found)
		case !slices.ContainsFunc(m.clusters, func(c *cluster) bool { return c.GetName() == name }):
			var names []string
			for _, c := range m.clusters {
				names = append(names, c.GetName())
			}
			fix := "add it with applyTo: CLUSTER"
			if host, port, ok := strings.Cut(name, ":"); ok || strings.Contains(name, ".") {
				if !ok {
					port = contract.DefaultPort
				}
				fix = fmt.Sprintf("for a Service write Istio's name of the cluster, outbound|%s||%s%s", port, strings.TrimSuffix(host, clusterDomain), clusterDomain)
			}
			found(at, fmt.Sprintf("no EnvoyFilter adds a cluster %q%s: tagproc is never asked, and every request goes on untagged", name, lint.DidYouMean(name, names)), fix)
		}
	}
}

func (m *model) reportOutbound(o *outbound, at place, found found) {
	const gone = ": tagproc is never asked, and every request goes on untagged"
	s := m.service(o.host)
	if s != nil {
		var numbers []string
		for _, p := range s.Ports {
			numbers = append(numbers, fmt.Sprint(p.Port))
		}
		if !slices.Contains(numbers, o.port) {
			found(at, fmt.Sprintf("%s has no port %s, only %s%s", id(s.doc), o.port, list(numbers), gone), "write outbound|PORT||"+o.host+" with the port of the Service")
		}
		return
	}
	name, space := splitHost(o.host)
	for _, s := range m.services {
		if n, elsewhere := splitHost(s.host); n == name && space != "" {
			found(at, fmt.Sprintf("there is no Service %s in namespace %s%s", name, space, gone),
				fmt.Sprintf("the Service is in %s: render with --address %s.%s:%s", elsewhere, name, elsewhere, o.port))
			return
		}
	}
	neighbours := []string{}
	for _, s := range m.services {
		if n, elsewhere := splitHost(s.host); elsewhere == space && space != "" {
			neighbours = append(neighbours, n)
		}
	}
	if len(neighbours) > 0 {
		found(at, fmt.Sprintf("there is no Service %s in namespace %s%s%s", name, space, lint.DidYouMean(name, neighbours), gone), "correct the host, or add the Service")
	}
	if space == "" {
		found(at, fmt.Sprintf("Istio has no cluster for the host %s, which is not the full name of a Service%s", o.host, gone),
			fmt.Sprintf("write outbound|%s||NAME.NAMESPACE%s", o.port, clusterDomain))
	}
}

// serviceWithoutPods finds a Service of tagproc that selects none of the workloads of its
// namespace.
func serviceWithoutPods(m *model, found found) {
	for _, s := range m.tagprocServices() {
		space := namespace(s.doc)
		if len(m.index.pods[space]) > 0 && len(s.Selector) > 0 && len(m.selected(s.service)) == 0 {
			found(s.in("spec", "selector"), fmt.Sprintf("no pods in namespace %s have the labels %s: the Service has no endpoints", space, labelText(s.Selector)),
				"select the labels of the pod template")
		}
	}
}
