package lint

import (
	"slices"
	"strings"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/source"
)

// An Envoy's own configuration holds the same messages as patches do, and the same checks
// look at them.

// kindEnvoy is how configurations of Envoy are counted.
const kindEnvoy = "Envoy configuration"

// An envoy is the configuration of one, which is the configurations of one file.
type envoy struct {
	*envoyconf.Config

	open bool // it has routes that are not among the files
}

// wholeOf returns the place of a part of a configuration of Envoy.
func wholeOf(v source.Value) place {
	return place{doc: &source.Document{File: v.Place().File(), Value: v}}
}

// addEnvoys reads the configurations of Envoy.
func (m *model) addEnvoys() {
	for len(m.envoyDocs) > 0 {
		file := m.envoyDocs[0].File
		var docs, others []*source.Document
		for _, d := range m.envoyDocs {
			if d.File == file {
				docs = append(docs, d)
			} else {
				others = append(others, d)
			}
		}
		m.envoyDocs = others
		m.addEnvoy(docs)
	}
}

// addEnvoy reads the configuration of one Envoy. In directories one that does not ask
// tagproc is of no concern.
func (m *model) addEnvoy(docs []*source.Document) {
	config, problems := envoyconf.Read(docs)
	e := &envoy{Config: config}
	before := len(m.filters)
	for _, l := range config.Listeners {
		for _, c := range l.Chains {
			if c.HTTP != nil {
				m.addHTTP(c.HTTP)
				e.open = e.open || c.HTTP.Routes == nil
			}
		}
	}
	if len(m.filters) == before && m.swept[docs[0].File] {
		m.others[envoyConfig] += len(docs)
		return
	}
	for _, c := range config.Clusters {
		m.clusters = append(m.clusters, &cluster{patch: patch{place: wholeOf(c.Value), bare: true}, config: c.Cluster})
	}
	m.counts[kindEnvoy]++
	m.envoys = append(m.envoys, e)
	for _, p := range problems {
		f := Finding{Problem: p}
		switch p.Kind {
		case kindUnknownField:
			f.Severity, f.Fix = source.Error, "correct it: Envoy refuses the configuration"
		case kindUnknownType:
			f.Fix = "check the spelling: Envoy refuses a type that it does not know"
		case envoyconf.KindNoRoutes:
			continue // NotChecked says so
		}
		m.findings = append(m.findings, readFinding{Finding: f})
	}
}

// addHTTP reads a connection manager that asks tagproc as a gateway does.
func (m *model) addHTTP(http *envoyconf.Manager) {
	asks := false
	for _, f := range http.Filters {
		p := patch{place: wholeOf(f.Value), bare: true}
		if config, is := f.Config.(*extprocv3.ExternalProcessor); is && !isHop(config) {
			m.filters = append(m.filters, &extProc{patch: p, name: f.GetName(), config: config})
			asks = true
		}
	}
	if !asks {
		return
	}
	for _, f := range http.Filters {
		if p := (patch{place: wholeOf(f.Value), bare: true}); strings.HasSuffix(p.typed().text("@type"), headerMutationType) {
			m.addCookieWriter(p)
		}
	}
	h := &manager{patch: patch{place: wholeOf(http.Value), bare: true}, config: http.HttpConnectionManager}
	h.readEarly()
	m.managers = append(m.managers, h)
}

// isHop reports whether a filter says that its requests are not those of a gateway.
func isHop(config *extprocv3.ExternalProcessor) bool {
	for _, h := range config.GetGrpcService().GetInitialMetadata() {
		if h.GetKey() == contract.DirectionKey {
			return h.GetValue() != contract.Gateway.String()
		}
	}
	return false
}

// isBare reports whether an Envoy's own configuration asks tagproc.
func (m *model) isBare() bool {
	return slices.ContainsFunc(m.filters, func(f *extProc) bool { return f.bare })
}

// side returns what Envoy's side of the rules is called in messages, and what makes it.
func (m *model) side() (name, render string) {
	if m.isBare() {
		return "the configuration of Envoy", "tagproc render envoy"
	}
	return "the EnvoyFilter", "tagproc render envoyfilter"
}

// renderAgain returns what to do where Envoy's side does not fit the rules.
func (m *model) renderAgain() string {
	name, render := m.side()
	return "render " + name + " again: " + render
}

// isStandalone reports whether the files have configurations of Envoy and no objects of
// Kubernetes that checks look at.
func (m *model) isStandalone() bool {
	return len(m.envoys) > 0 && !slices.ContainsFunc(readers.kinds(), func(kind string) bool { return m.counts[kind] > 0 && kind != "ConfigMap" })
}

// openClusters reports whether there may be clusters that the files do not have.
func (m *model) openClusters() bool {
	return slices.ContainsFunc(m.envoys, func(e *envoy) bool { return !e.AllClusters })
}
