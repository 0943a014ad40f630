package lint

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/source"
)

// A repository has manifests that have nothing to do with tagproc. What is wrong with them
// is for their owners.

// keepConcerned leaves out what was found while objects were read that are of no concern.
func (m *model) keepConcerned() {
	concerns := m.concerned()
	m.findings = slices.DeleteFunc(m.findings, func(f readFinding) bool { return f.Kind == kindDuplicate && !concerns(f.doc) })
}

// concerned returns a function that reports whether the version of an object that is in
// force matters to a check.
func (m *model) concerned() func(d *source.Document) bool {
	matters := map[*source.Document]bool{}
	for _, f := range m.asking() {
		o := parseOutbound(f.Cluster())
		if o == nil || m.service(o.host) == nil {
			continue
		}
		s := m.service(o.host)
		matters[s.doc] = true
		for _, w := range m.selected(s) {
			matters[w.doc] = true
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
	return func(d *source.Document) bool {
		switch d.Kind {
		case "Service", "ConfigMap", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout", "Pod":
			return matters[d]
		}
		return true
	}
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
