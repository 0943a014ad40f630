package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/lint"
)

// unknownHost finds hosts of Services that are not there, where others of their
// namespace are.
func unknownHost(m *model, found found) {
	for _, v := range m.virtual {
		for i, h := range v.hosts {
			if v.inMesh() {
				m.reportHost(v.in("spec", "hosts", i), h, found)
			}
		}
	}
	for _, d := range m.destinations() {
		m.reportHost(d.at.in("host"), d.host, found)
	}
	for _, r := range m.subsets {
		m.reportHost(r.in("spec", "host"), r.host, found)
	}
}

func (m *model) reportHost(at place, host string, found found) {
	if m.service(host) != nil || slices.ContainsFunc(m.externals, func(e string) bool { return hostsMeet(e, host) }) {
		return
	}
	name, space := splitHost(host)
	var neighbours []string
	for _, s := range m.services {
		switch n, sp := splitHost(s.host); {
		case space == "" && (host == n+"."+sp || host == n+"."+sp+".svc"):
			found(at, fmt.Sprintf("Istio completes only names without a dot, so %s is not a Service", host), "write "+s.host)
			return
		case n == name:
			found(at, fmt.Sprintf("there is no Service %s in namespace %s, but one in %s: Istio completes a short name with the namespace of the object that has it", name, space, sp),
				"write "+s.host)
			return
		case sp == space:
			neighbours = append(neighbours, n)
		}
	}
	if len(neighbours) > 0 {
		found(at, fmt.Sprintf("there is no Service %s in namespace %s%s", name, space, lint.DidYouMean(name, neighbours)), "correct the host, or add the Service")
	}
}

// routePort finds a port that the Service of a route does not have.
func routePort(m *model, found found) {
	for _, d := range m.destinations() {
		s := m.service(d.host)
		if s == nil || d.port == 0 {
			continue
		}
		if p, _ := s.port(int(d.port)); p == nil {
			found(d.at.in("port", "number"), fmt.Sprintf("%s has no port %d, only %s: requests get 503", id(s.doc), d.port, s.portNumbers()), "take the port of the Service, not that of the container")
		}
	}
}

func (s *service) portNumbers() string {
	var numbers []string
	for _, p := range s.Ports {
		numbers = append(numbers, fmt.Sprint(p.Port))
	}
	return list(numbers)
}

// notHTTP finds a route to a port on which Istio sees connections, and no requests.
func notHTTP(m *model, found found) {
	told := map[string]bool{}
	for _, d := range m.destinations() {
		s := m.service(d.host)
		if s == nil {
			continue
		}
		for i := range s.Ports {
			p := &s.Ports[i]
			key := fmt.Sprint(s.host, p.Port)
			if p.isHTTP() || d.port != 0 && int(d.port) != p.Port || d.port == 0 && len(s.Ports) > 1 || told[key] {
				continue
			}
			told[key] = true
			found(s.in("spec", "ports", i), fmt.Sprintf("Istio takes this port for %s, so the routes of %s by headers have no effect", p.protocol(), id(d.vs.doc)),
				"name the port http, or set appProtocol: http")
		}
	}
}

// unknownSubset finds a subset of a route that no DestinationRule has.
func unknownSubset(m *model, found found) {
	for _, d := range m.destinations() {
		subsets := m.subsetsOf(d.host)
		if d.subset == "" || slices.Contains(subsets, d.subset) {
			continue
		}
		rule := slices.ContainsFunc(m.subsets, func(r *destinationRule) bool { return r.host == d.host })
		name, _, _ := strings.Cut(d.host, ".")
		why := fmt.Sprintf("the DestinationRule of %s has no subset %s%s: requests get 503", d.host, d.subset, lint.DidYouMean(d.subset, subsets))
		fix := "add the subset, or correct the name"
		if !rule {
			why = fmt.Sprintf("no DestinationRule is for %s: requests get 503", d.host)
			fix = "add one with the subset " + d.subset
			for _, r := range m.subsets {
				if other, _, _ := strings.Cut(r.host, "."); other == name {
					why = fmt.Sprintf("no DestinationRule is for %s; that at %s is for %s: requests get 503", d.host, r.in("spec", "host"), r.host)
					fix = "write full host names in both"
				}
			}
		}
		found(d.at.in("subset"), why, fix)
	}
}

// noSubset finds a route to all versions of a host at once.
func noSubset(m *model, found found) {
	for _, d := range m.destinations() {
		subsets := m.subsetsOf(d.host)
		if d.subset == "" && len(subsets) > 1 {
			found(d.at, fmt.Sprintf("%s has the subsets %s, and this route names none: each request gets a pod of any version", d.host, list(subsets)),
				"name the subset")
		}
	}
}

// duplicateSubset finds a subset that a host has twice.
func duplicateSubset(m *model, found found) {
	first := map[string]place{}
	for _, r := range m.subsets {
		for i, s := range r.GetSubsets() {
			at, key := r.in("spec", "subsets", i), r.host+" "+s.GetName()
			if o, twice := first[key]; twice {
				found(at, fmt.Sprintf("%s has a duplicate subset %s (first at %s): one of the two is ignored", r.host, s.GetName(), o), "give a host one DestinationRule, and each of its subsets a name")
				continue
			}
			first[key] = at
		}
	}
}

// emptySubset finds a subset whose labels no pod of the host has.
func emptySubset(m *model, found found) {
	for _, r := range m.subsets {
		pods := m.podsOf(r.host)
		if len(pods) == 0 {
			continue
		}
		for i, s := range r.GetSubsets() {
			if slices.ContainsFunc(pods, func(w *workload) bool { return contains(w.Metadata.Labels, s.GetLabels()) }) {
				continue
			}
			var there []string
			for _, w := range pods {
				labels := maps.Clone(w.Metadata.Labels)
				maps.DeleteFunc(labels, func(k, _ string) bool { _, asked := s.GetLabels()[k]; return !asked })
				if t := labelText(labels); t != "" && !slices.Contains(there, t) {
					there = append(there, t)
				}
			}
			why := fmt.Sprintf("no pods of %s have the labels %s", r.host, labelText(s.GetLabels()))
			if len(there) > 0 {
				why += ", only " + list(there)
			}
			found(r.in("spec", "subsets", i, "labels"), why+": requests get 503", "give the pod template the labels, or select others")
		}
	}
}

// podsOf returns the workloads behind a host: those that its Service selects, or,
// where the Service is not given, those of the namespace.
func (m *model) podsOf(host string) (ws []*workload) {
	if s := m.service(host); s != nil {
		return m.selected(s)
	}
	_, space := splitHost(host)
	return m.index.pods[space]
}

// serviceWithoutPods finds a Service that requests are sent to and that selects
// none of the workloads of its namespace.
func serviceWithoutPods(m *model, found found) {
	asked := map[string]bool{}
	for _, d := range m.destinations() {
		asked[d.host] = true
	}
	for _, f := range m.filters {
		if o := parseOutbound(f.Cluster()); o != nil {
			asked[o.host] = true
		}
	}
	for _, s := range m.services {
		space := namespace(s.doc)
		if asked[s.host] && len(m.index.pods[space]) > 0 && len(s.Selector) > 0 && len(m.selected(s)) == 0 {
			found(s.in("spec", "selector"), fmt.Sprintf("no pods in namespace %s have the labels %s: the Service has no endpoints", space, labelText(s.Selector)),
				"select the labels of the pod template")
		}
	}
}

// notInjected finds pods of routed hosts that get no sidecar: what they call is not
// routed by tags.
func notInjected(m *model, found found) {
	routed := map[*workload]bool{}
	for _, v := range m.virtual {
		for _, h := range v.hosts {
			if v.inMesh() && len(v.matched) > 0 {
				for _, w := range m.podsOf(h) {
					routed[w] = true
				}
			}
		}
	}
	for _, d := range m.spaces {
		injected := d.Labels["istio-injection"] == "enabled" || d.Labels["istio.io/rev"] != "" || d.Labels["istio.io/dataplane-mode"] == "ambient"
		for _, w := range m.index.pods[d.Name] {
			if !routed[w] || m.isGateway(w) {
				continue
			}
			switch own := w.Metadata.Labels["sidecar.istio.io/inject"]; {
			case own == "false":
				found(w.in("metadata", "labels", "sidecar.istio.io/inject"), "these pods get no sidecar, so what they call is not routed by tags", `set it to "true"`)
			case own == "" && !injected:
				found(place{d, []any{"metadata", "labels"}}, fmt.Sprintf("pods in namespace %s get no sidecar, so what they call is not routed by tags", d.Name),
					"add the label istio-injection: enabled, and restart the pods")
			}
		}
	}
}
