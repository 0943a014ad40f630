package lint

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A reader adds a document of one kind to a model.
type reader struct {
	kind  string
	group string // the API group
	read  func(m *model, d *source.Document)
}

type readerTable []reader

func (t readerTable) kinds() (kinds []string) {
	for _, r := range t {
		kinds = append(kinds, r.kind)
	}
	return kinds
}

// readers are the kinds that checks look at.
var readers = readerTable{
	{"EnvoyFilter", "networking.istio.io", (*model).addEnvoyFilter},
	{"WasmPlugin", "extensions.istio.io", (*model).addExtension},
	{"TrafficExtension", "extensions.istio.io", (*model).addExtension},
	{"ASMHashTagging", "istio.alibabacloud.com", (*model).addEnvelope},
	{"TrafficLabel", "istio.alibabacloud.com", (*model).addTrafficLabel},
	{"ConfigMap", "", (*model).addConfigMap},
	{"Service", "", (*model).addService},
	{"Deployment", "apps", (*model).addWorkload},
	{"StatefulSet", "apps", (*model).addWorkload},
	{"DaemonSet", "apps", (*model).addWorkload},
	{"ReplicaSet", "apps", (*model).addWorkload},
	{"Rollout", "argoproj.io", (*model).addWorkload},
	{"Pod", "", (*model).addWorkload},
}

// read makes a model of files.
func read(files []File, o rules.Options) *model {
	m := &model{counts: map[string]int{}, others: map[string]int{}, ofIstio: map[string]int{}, swept: map[string]bool{}}
	var docs []*source.Document
	charts := map[string]bool{} // directories of templates
	for _, f := range files {
		m.swept[f.Name] = f.Swept
		if base := path.Base(f.Name); base == "kustomization.yaml" || base == "kustomization.yml" {
			m.findings = append(m.findings, readFinding{Finding: Finding{
				Problem: source.Problem{
					File: f.Name, Severity: source.Warning, Kind: kindKustomization,
					Message: "the files of a kustomization are patches and parts, not what is applied",
				},
				Fix: fmt.Sprintf("give lint its output: kubectl kustomize %s | tagproc lint -", words.Shell(path.Dir(f.Name))),
			}})
			continue
		}
		ds, problems := source.Read(f.Name, f.Source)
		if problems.Err() != nil && len(ds) == 0 && bytes.Contains(f.Source, []byte("{{")) {
			m.others[templateFile]++
			if dir := path.Dir(f.Name); !charts[dir] {
				charts[dir] = true
				m.findings = append(m.findings, readFinding{Finding: Finding{
					Problem: source.Problem{File: f.Name, Severity: source.Warning, Kind: kindTemplate, Message: "a template is not what is applied: lint ignores this one and those beside it"},
					Fix:     "give lint its output: helm template CHART | tagproc lint -",
				}})
			}
			continue
		}
		docs = append(docs, m.named(ds)...)
		m.tell(slices.DeleteFunc(problems, func(p source.Problem) bool { return m.isForeign(p, f, ds) }))
	}
	docs = m.applied(docs)
	for n, d := range docs {
		if d.Kind == "" {
			m.addBare(d)
			m.joinBehind(docs[n+1:])
			continue
		}
		i := readerOf(d)
		if i < 0 {
			if g := d.Group(); strings.HasSuffix(g, ".istio.io") || g == "gateway.networking.k8s.io" {
				m.ofIstio[d.Kind]++
			} else {
				m.others[d.Kind]++
			}
			m.nearMiss(d)
			continue
		}
		m.counts[d.Kind]++
		readers[i].read(m, d)
		if rules.PathIn(d) != nil {
			m.joinBehind(docs[n+1:])
		}
	}
	m.addEnvoys()
	m.indexServices()
	m.loadRules(o)
	m.keepTagproc()
	m.keepConcerned()
	return m
}

// readerOf returns the index of the reader of a document, or -1.
func readerOf(d *source.Document) int {
	return slices.IndexFunc(readers, func(r reader) bool { return r.kind == d.Kind && r.group == d.Group() })
}

// nearMiss reports a document whose kind is one that checks look at, in another case
// or with one letter wrong, or whose apiVersion is missing.
func (m *model) nearMiss(d *source.Document) {
	const fix = "correct it; kubectl refuses the object as it is, and lint does not look at it"
	for _, r := range readers {
		switch {
		case r.kind == d.Kind && r.group != "" && d.APIVersion == "":
			m.unknownDocument(place{doc: d}, fmt.Sprintf("this %s has no apiVersion; expected one of %s%s", d.Kind, r.group, wrongCase(d)), fix)
			return
		case r.kind != d.Kind && (r.group == d.Group() || d.APIVersion == "") && isNearly(d.Kind, r.kind):
			m.unknownDocument(place{d, []any{"kind"}}, fmt.Sprintf("there is no kind %s%s", d.Kind, source.DidYouMean(r.kind)), fix)
			return
		}
	}
}

// isNearly reports whether got is a kind in another case, or with one letter wrong.
func isNearly(got, kind string) bool {
	return strings.EqualFold(got, kind) || len(kind) > 4 && levenshtein.ComputeDistance(got, kind) == 1
}

// wrongCase returns the end of a message about a key that is apiVersion in another
// case, or "".
func wrongCase(d *source.Document) string {
	for _, e := range d.Entries() {
		if strings.EqualFold(e.Key(), "apiVersion") {
			return fmt.Sprintf(" (it has %q)", e.Key())
		}
	}
	return ""
}

// named returns the documents that others can refer to, and counts the others.
func (m *model) named(docs []*source.Document) []*source.Document {
	return slices.DeleteFunc(slices.Clone(docs), func(d *source.Document) bool {
		nameless := d.Kind != "" && d.Name == ""
		if nameless {
			m.others[d.Kind]++
		}
		return nameless
	})
}

// isForeign reports whether a problem of reading is about something that no check looks
// at: among files of all sorts, a playbook is a list, and the configuration of a tool has
// a kind and no name.
func (m *model) isForeign(p source.Problem, f File, docs []*source.Document) bool {
	switch p.Kind {
	case source.KindNotMapping:
		if bytes.Contains(f.Source, []byte("tagHeader")) {
			return false // rules that lack the key
		}
		m.others[noMapping]++
		return m.swept[p.File]
	case source.KindNoName:
		return slices.ContainsFunc(docs, func(d *source.Document) bool {
			return d.Kind != "" && d.Name == "" && readerOf(d) < 0 && d.Get("metadata").Problem(p.Severity, p.Kind, p.Message) == p
		})
	}
	return false
}

// applied returns what is there after all objects have been applied in their
// order.
func (m *model) applied(docs []*source.Document) (last []*source.Document) {
	latest := map[string]*source.Document{}
	id := func(d *source.Document) string {
		return fmt.Sprintf("%s/%s/%s/%s", d.Group(), d.Kind, namespace(d), d.Name)
	}
	for _, d := range docs {
		latest[id(d)] = d
	}
	for _, d := range docs {
		switch winner := latest[id(d)]; {
		case d.Kind == "" || winner == d:
			last = append(last, d)
		case readerOf(d) < 0:
			m.others[d.Kind]++
		default:
			m.findings = append(m.findings, readFinding{Finding{
				Problem: place{doc: d}.problem(source.Warning, kindDuplicate,
					fmt.Sprintf("%s is also in %s: the one that is applied last replaces the others, and the rest of lint looks at that one", d.ID(), place{doc: winner})),
				Fix: "name the files that are in force together, and no others",
			}, winner})
		}
	}
	return last
}

func (m *model) tell(ps source.Problems) {
	for _, p := range ps {
		m.findings = append(m.findings, readFinding{Finding: Finding{Problem: p}})
	}
}

// unknownDocument notes a finding on a document that no check looks at.
func (m *model) unknownDocument(at place, why, fix string) {
	m.findings = append(m.findings, readFinding{Finding{Problem: at.problem(source.Warning, kindUnknownDocument, why), Fix: fix}, at.doc})
}
