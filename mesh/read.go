package mesh

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/mesh/control"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A File is the content of a file, and its name for messages.
type File struct {
	Name   string
	Source []byte
	Swept  bool // of a directory, where files may be of any sort
}

// Options say how files are read.
type Options struct {
	Namespace string // of objects without one; "": default
	Rules     rules.Options
}

// Kinds of problems of manifests, beside those of package source.
const (
	KindRefused   source.Kind = "refused"    // the API server or Istio's webhook refuses the object
	KindWarned    source.Kind = "istio-warn" // Istio's webhook warns
	KindTwice     source.Kind = "duplicate-object"
	KindUnknown   source.Kind = "unknown-document"
	KindSynthetic source.Kind = "taken" // what the manifests lack, and what is taken in its place
)

// Manifests are what files have.
type Manifests struct {
	Objects []*Object
	Rules   []*Rules
	Docs    []*source.Document // all documents, rules and other kinds among them
	Others  map[string]int     // by kind, what Istio's control plane does not read

	Problems source.Problems
}

// An Object is a manifest that the control plane reads, and where it stands.
type Object struct {
	control.Object

	Doc *source.Document
}

// Rules are the rules of a file.
type Rules struct {
	At    source.Value // the mapping with the key rules
	Table *rules.Table
}

// Read reads manifests and rules. What is refused is among the Problems, and the rest is
// read.
func Read(files []File, o Options) *Manifests {
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	m := &Manifests{Others: map[string]int{}}
	for _, f := range files {
		docs, problems := source.Read(f.Name, f.Source)
		if f.Swept {
			problems = slices.DeleteFunc(problems, func(p source.Problem) bool {
				return p.Kind == source.KindNotMapping || p.Kind == source.KindNoName
			})
		}
		if problems.Err() != nil && len(docs) == 0 && bytes.Contains(f.Source, []byte("{{")) {
			problems = nil // a template, which tagproc lint says
			m.Others["template"]++
		}
		problems = slices.DeleteFunc(problems, func(p source.Problem) bool { // read by istioctl alone
			return p.Kind == source.KindNoName && strings.Contains(p.Message, " IstioOperator ")
		})
		m.Problems = append(m.Problems, problems...)
		for i, d := range docs {
			m.Docs = append(m.Docs, d)
			var behind *source.Document
			if i+1 < len(docs) && docs[i+1].Kind == "ASMHeaderPropagation" {
				behind = docs[i+1]
			}
			m.readRules(d, behind, o.Rules)
			if d.Kind != "" {
				m.readObject(d, o.Namespace)
			}
		}
	}
	m.last()
	return m
}

// readObject decodes a manifest.
func (m *Manifests) readObject(d *source.Document, namespace string) {
	text, err := d.YAML(source.MaxFileSize)
	if err != nil {
		m.problem(d.Value, source.Error, KindRefused, "%s", err)
		return
	}
	o, err := control.Decode(text, namespace)
	switch {
	case errors.Is(err, control.ErrKind):
		m.Others[d.Kind]++
		return
	case err != nil && d.Name == "":
		return // source has said so
	case err != nil:
		m.problem(d.Value, source.Error, KindRefused, "%s is refused: %s", d.ID(), oneLine(err))
		return
	}
	for _, w := range o.Warnings {
		m.problem(d.Value, source.Warning, KindWarned, "Istio warns of %s: %s", d.ID(), oneLine(w))
	}
	m.Objects = append(m.Objects, &Object{o, d})
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

func (m *Manifests) problem(v source.Value, s source.Severity, k source.Kind, format string, args ...any) {
	m.Problems = append(m.Problems, v.Problem(s, k, fmt.Sprintf(format, args...)))
}

// last keeps the last of objects that are there several times, as if all were applied.
func (m *Manifests) last() {
	latest := map[control.Key]*Object{}
	for _, o := range m.Objects {
		latest[o.Key] = o
	}
	m.Objects = slices.DeleteFunc(m.Objects, func(o *Object) bool {
		winner := latest[o.Key]
		if winner != o {
			m.problem(o.Doc.Value, source.Warning, KindTwice, "%s is also in %s: the one that is applied last replaces the others; name the files that are in force together, and no others", o.Doc.ID(), winner.Doc.Place())
		}
		return winner != o
	})
}

// readRules compiles the rules that a document has, if it has any.
func (m *Manifests) readRules(d, behind *source.Document, o rules.Options) {
	docs, at := []*source.Document{d}, rules.In(d)
	if d.Kind == "ConfigMap" {
		if docs = ruleTexts(d); docs == nil {
			return
		}
		at = rules.In(docs[0])
	}
	switch {
	case d.Kind == "" && envoyconf.Is(d.Value):
		m.Others["configuration of Envoy"]++
		return
	case !isRules(at) && d.Kind == "" && !d.Get("laneGroup").Exists():
		m.Others["document without a kind"]++
		return
	case !isRules(at):
		return
	}
	if behind != nil {
		docs = append(docs, behind)
	}
	table, problems := rules.Compile(rules.Parse(d.File, docs), o)
	m.Problems = append(m.Problems, problems.Without(source.Note)...)
	if table == nil || slices.ContainsFunc(m.Rules, func(r *Rules) bool { return r.Table.Digest() == table.Digest() }) {
		return
	}
	m.Rules = append(m.Rules, &Rules{at, table})
}

// ruleTexts returns the documents of the text of a ConfigMap that has rules, or nil.
func ruleTexts(d *source.Document) []*source.Document {
	for _, text := range d.Get("data").Entries() {
		if !strings.Contains(text.Text(), "rules") {
			continue
		}
		docs, problems, _ := text.Embedded()
		if problems.Err() == nil && len(docs) > 0 && isRules(rules.In(docs[0])) {
			return docs
		}
	}
	return nil
}

// isRules reports whether v is a rules file: others have a key of that name too.
func isRules(v source.Value) bool {
	list := v.Get("rules")
	if !list.IsList() {
		return false
	}
	if first := list.Get(0); first.Exists() {
		policy := first.Get("policies", 0)
		return first.Get("tagHeader").Exists() || policy.Get("range").Exists() || policy.Get("tagValue").Exists()
	}
	return v.Get("tagHeaders").Exists() || len(v.Entries()) == 1
}
