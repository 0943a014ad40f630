package lint

import (
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/source"
)

// A repository has manifests that no tag ever comes to. What is wrong with them is
// for their owners.

// keepConcerned leaves out the VirtualServices and DestinationRules that no tag of
// the rules comes to, and what was found while they and others were read.
func (m *model) keepConcerned() {
	var byTag []*virtualService
	others := map[*virtualService]bool{}
	knowsTags := m.knowsTags()
	for _, v := range m.virtual {
		if knowsTags(v) {
			byTag = append(byTag, v)
		} else {
			others[v] = true
		}
	}
	if !m.tellsTags() && len(byTag) == 0 {
		return // nothing says which routes are meant
	}
	hosts := map[string]bool{}
	for _, v := range byTag {
		maps.Insert(hosts, maps.All(v.touches()))
	}
	// A route to the same hosts is another way to them, and a default route that is
	// put behind those by tags is theirs.
	meets := func(v *virtualService) bool {
		return slices.ContainsFunc(slices.Collect(maps.Keys(v.touches())), func(h string) bool { return hosts[h] }) ||
			v.takesAll && slices.ContainsFunc(byTag, v.merged)
	}
	left := map[*source.Document]bool{} // out, by document
	m.virtual = slices.DeleteFunc(m.virtual, func(v *virtualService) bool {
		left[v.doc] = others[v] && !meets(v)
		return left[v.doc]
	})
	// A DestinationRule for a Service of the same name elsewhere may be meant for one
	// of these.
	names := map[string]bool{}
	for _, v := range m.virtual {
		for host := range v.touches() {
			names[shortName(host)] = true
		}
	}
	m.subsets = slices.DeleteFunc(m.subsets, func(r *destinationRule) bool {
		left[r.doc] = !names[shortName(r.host)]
		return left[r.doc]
	})
	for d, is := range left {
		if is {
			m.counts[d.Kind]--
			m.others[d.Kind]++
		}
	}
	concerned := m.concerned()
	m.findings = slices.DeleteFunc(m.findings, func(f readFinding) bool {
		return left[f.doc] || f.Kind == kindDuplicate && !concerned(f.doc)
	})
}

// concerned returns a function that reports whether the version of an object that is in
// force matters to a check.
func (m *model) concerned() func(d *source.Document) bool {
	asked := map[string]bool{}
	for _, v := range m.virtual {
		maps.Insert(asked, maps.All(v.touches()))
	}
	for _, f := range m.filters {
		if o := parseOutbound(f.Cluster()); o != nil {
			asked[o.host] = true
		}
	}
	matters := map[*source.Document]bool{}
	for _, g := range m.gateways {
		matters[g.doc] = m.concernsGateway(g)
	}
	for _, s := range m.services {
		if asked[s.host] {
			matters[s.doc] = true
			for _, w := range m.selected(s) {
				matters[w.doc] = true
			}
		}
	}
	for _, w := range m.gatewayPods() {
		matters[w.doc] = true
	}
	for _, s := range m.servers() {
		matters[s.pod.doc] = true
	}
	for _, r := range m.rules {
		matters[r.configMap] = true
	}
	for _, s := range m.servers() {
		for _, p := range m.networks {
			is, _ := p.selects(s.pod)
			matters[p.doc] = matters[p.doc] || is
		}
		for _, p := range m.authorizations {
			matters[p.doc] = matters[p.doc] || p.selects(s.pod)
		}
	}
	return func(d *source.Document) bool {
		switch d.Kind {
		case "HTTPRoute", "ServiceEntry", "Namespace", "ReplicaSet":
			return false
		case "Gateway", "Service", "ConfigMap", "Deployment", "StatefulSet", "DaemonSet", "Rollout", "Pod", "NetworkPolicy", "AuthorizationPolicy":
			return matters[d]
		}
		return true
	}
}

// knowsTags returns a function that reports whether a route matches or sets a tag header
// of the rules, a header that is nearly one, or a key. Without rules, Envoy's side tells
// the tag headers. If that is missing too, any header may be one, and so may the labels of
// callers, which strict lanes have.
func (m *model) knowsTags() func(v *virtualService) bool {
	if !m.tellsTags() {
		return func(v *virtualService) bool {
			return len(v.matched) > 0 || slices.ContainsFunc(v.GetHttp(), func(r *networking.HTTPRoute) bool {
				return slices.ContainsFunc(r.GetMatch(), func(match *networking.HTTPMatchRequest) bool { return len(match.GetSourceLabels()) > 0 })
			})
		}
	}
	var tagHeaders []string
	for _, s := range m.sets() {
		tagHeaders = append(tagHeaders, s.table.TagHeaders()...)
	}
	known := map[string]bool{}
	isTag := func(name string) bool {
		name = lower(name)
		is, told := known[name]
		if !told {
			is = m.owns(name) || m.isKey(name) || source.Nearest(name, tagHeaders) != "" || len(tagHeaders) == 0 &&
				slices.ContainsFunc(m.asking(), func(f *lint.Filter) bool { return f.IsSelective() && f.Forwards(name) })
			known[name] = is
		}
		return is
	}
	return func(v *virtualService) bool {
		return slices.ContainsFunc(v.matched, func(h headerMatch) bool { return isTag(h.header) }) ||
			slices.ContainsFunc(v.changes, func(o headerOperation) bool {
				names := slices.Concat(sortedKeys(o.request.GetSet()), sortedKeys(o.request.GetAdd()), o.request.GetRemove())
				return slices.ContainsFunc(names, isTag)
			})
	}
}

// tellsTags reports whether the files say which headers are tags.
func (m *model) tellsTags() bool {
	return len(m.sets()) > 0 || slices.ContainsFunc(m.asking(), (*lint.Filter).IsSelective)
}

// touches returns the hosts that the routes are for inside of the mesh, and those
// that they lead to.
func (v *virtualService) touches() map[string]bool {
	hosts := map[string]bool{}
	for _, h := range v.hosts {
		if _, space := splitHost(h); space != "" {
			hosts[h] = true
		}
	}
	for _, d := range v.leads {
		hosts[d.host] = true
	}
	return hosts
}

func shortName(host string) string {
	name, _, _ := strings.Cut(host, ".")
	return name
}

// concernsGateway reports whether a Gateway is one that the rules are about: routes
// that know their tags are bound to it, or the pods that ask tagproc are its own.
// Where nothing tells the tags, every Gateway is.
func (m *model) concernsGateway(g *gateway) bool {
	if !m.tellsTags() {
		return true
	}
	bound := func(v *virtualService) bool { return slices.Contains(v.bindings, g.key()) }
	asks := func(f *extProc) bool {
		labels := f.filter.GetWorkloadSelector().GetLabels()
		return len(labels) > 0 && len(g.GetSelector()) > 0 && (contains(labels, g.GetSelector()) || contains(g.GetSelector(), labels))
	}
	return slices.ContainsFunc(m.virtual, bound) || slices.ContainsFunc(m.filters, asks)
}

// keepManagers leaves out what others change of connection managers that no gateway
// with tagproc has.
func (m *model) keepManagers() {
	m.managers = slices.DeleteFunc(m.managers, func(h *manager) bool {
		return !m.isOurs(h) && !slices.ContainsFunc(m.filters, func(f *extProc) bool {
			c := h.GetMatch().GetContext()
			return (c == networking.EnvoyFilter_GATEWAY || c == networking.EnvoyFilter_ANY) &&
				agree(h.filter.GetWorkloadSelector().GetLabels(), f.filter.GetWorkloadSelector().GetLabels())
		})
	})
}

// isOurs reports whether a change of a connection manager is there for tagproc.
func (m *model) isOurs(h *manager) bool {
	return h.StripsEarly() || strings.Contains(h.doc.Name, "tagproc") ||
		slices.ContainsFunc(m.filters, func(f *extProc) bool { return f.doc == h.doc })
}
