package lint

import (
	"fmt"
	"slices"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/source"
)

// An Envoy's own configuration holds the same messages as patches do, and the same checks
// look at them.

// kindEnvoy is how configurations of Envoy are counted.
const kindEnvoy = "Envoy configuration"

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
	if asks := m.judged.AddEnvoy(docs[0].File, config, false); !asks && m.swept[docs[0].File] {
		m.others[envoyConfig] += len(docs)
		m.judged.Envoys = m.judged.Envoys[:len(m.judged.Envoys)-1]
		return
	}
	m.counts[kindEnvoy]++
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

// isStandalone reports whether the files have configurations of Envoy and no objects of
// Kubernetes that checks look at.
func (m *model) isStandalone() bool {
	return len(m.judged.Envoys) > 0 && !slices.ContainsFunc(readers.kinds(), func(kind string) bool { return m.counts[kind] > 0 && kind != "ConfigMap" })
}

// openRoutes returns what is not looked for because routes come from a control plane and
// are not among the files.
func (m *model) openRoutes() []NotChecked {
	not := []NotChecked{}
	for _, e := range m.judged.Envoys {
		if !e.Open {
			continue
		}
		lacks := "routes of " + e.Name + " that a control plane sends"
		for _, l := range e.Listeners {
			for _, c := range l.Chains {
				if c.HTTP != nil && c.HTTP.Routes == nil && c.HTTP.GetRds().GetRouteConfigName() != "" {
					lacks = fmt.Sprintf("route configuration %q of %s (RDS)", c.HTTP.GetRds().GetRouteConfigName(), e.Name)
				}
			}
		}
		n := NotChecked{Lacks: []string{lacks}}
		for _, c := range lint.Checks {
			if slices.Contains(c.Needs, lint.NeedEnvoys) && !slices.Contains(n.Kinds, c.Kind) {
				n.Kinds = append(n.Kinds, c.Kind)
			}
		}
		not = append(not, n)
	}
	return not
}
