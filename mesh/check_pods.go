package mesh

import (
	"fmt"
	"slices"
	"strings"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/source"
)

// emptyClusters finds routes of tags to pods that are not there.
func (l *linter) emptyClusters() {
	for _, one := range l.envoys.All {
		l.emptyAsked(one)
	}
	for one, r := range l.tagRoutes {
		for _, c := range r.Target(&envoyconf.Request{}).Clusters {
			if why, kind := l.empty(one, c.Cluster); why != "" {
				l.found(l.envoys.Origin(r.Value), kind, "", "%s: requests get 503", why)
			}
		}
	}
}

// tagRoutes yields the routes that manifests about tags become, and whose Envoy has them.
func (l *linter) tagRoutes(yield func(one *Envoy, r *envoyconf.Route) bool) {
	for _, one := range l.envoys.All {
		for r := range one.routes {
			if o, _ := l.madeOf(r); l.concerned[o] && !yield(one, r) {
				return
			}
		}
	}
}

// madeOf returns the object that a route is made of, and its part; nil if it is not among
// the manifests.
func (l *linter) madeOf(r *envoyconf.Route) (*Object, source.Value) {
	return l.envoys.madeOf(r.GetMetadata().GetFilterMetadata()["istio"].GetFields()["config"].GetStringValue(), r.GetName())
}

// emptyAsked finds filters that ask a Service of tagproc without pods.
func (l *linter) emptyAsked(one *Envoy) {
	for _, listener := range one.Config.Listeners {
		for _, c := range listener.Chains {
			if c.HTTP == nil {
				continue
			}
			for _, f := range c.HTTP.Filters {
				p, is := f.Config.(*extprocv3.ExternalProcessor)
				if !is {
					continue
				}
				if why, kind := l.empty(one, p.GetGrpcService().GetEnvoyGrpc().GetClusterName()); why != "" {
					l.found(l.envoys.Origin(f.Value), kind, "", "%s: nobody answers, and every request goes on untagged", why)
				}
			}
		}
	}
}

// empty says why a cluster has no endpoints, or "".
func (l *linter) empty(one *Envoy, name string) (why string, kind source.Kind) {
	host, subset, is := splitCluster(name)
	behind, known := one.endpoints[name]
	service, namespace, local := splitHost(host)
	if !is || !known || len(behind) > 0 || !local {
		return "", ""
	}
	i := slices.IndexFunc(l.envoys.services, func(s *kubeService) bool { return s.Name == service && s.Namespace == namespace })
	if i < 0 || len(l.envoys.services[i].Spec.Selector) == 0 {
		return "", ""
	}
	if !slices.ContainsFunc(l.envoys.Workloads, func(w *Workload) bool { return w.Namespace == namespace && w.Doc != nil }) {
		l.cannotTell("whether Service %s has pods: the files have none of namespace %s", service, namespace)
		return "", ""
	}
	if subset == "" {
		return fmt.Sprintf("no pod template of %s has the labels that Service %s selects (%s)", namespace, service, labelText(l.envoys.services[i].Spec.Selector)), "service-without-pods"
	}
	labels := l.subset(host, subset)
	for k := range labels {
		if added(k) {
			l.cannotTell("which pods have the label %s: controllers and nodes add it", k)
			return "", ""
		}
	}
	return fmt.Sprintf("no pod template of %s has the labels of subset %s (%s)", service, subset, labelText(labels)), "empty-subset"
}

// subset returns the labels of a subset.
func (l *linter) subset(host, name string) map[string]string {
	for _, o := range l.manifests.Objects {
		spec, is := istioSpec[*networking.DestinationRule](o)
		if !is || fullHost(spec.GetHost(), o.Namespace) != host && !strings.Contains(spec.GetHost(), "*") {
			continue
		}
		for _, s := range spec.GetSubsets() {
			if s.GetName() == name {
				return s.GetLabels()
			}
		}
	}
	return nil
}

// notInjected finds pods that routes by tags lead to and that have no Envoy.
func (l *linter) notInjected() {
	told := map[*Workload]bool{}
	for one, r := range l.tagRoutes {
		for _, c := range r.Target(&envoyconf.Request{}).Clusters {
			for _, w := range one.endpoints[c.Cluster] {
				if w.Proxy || told[w] || w.Doc == nil {
					continue
				}
				told[w] = true
				_, why := w.injected(l.envoys.namespaces)
				l.found(w.Doc.Get("metadata", "name"), "not-injected", "have Istio inject its sidecar", "these pods get no sidecar (%s): what they call is not routed by tags", why)
			}
		}
	}
}
