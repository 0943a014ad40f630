package mesh

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	istiolint "github.com/tagproc/tagproc/istio/lint"
	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/mesh/control"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A File is the content of a file, and its name for messages.
type File = istiolint.File

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
	KindSynthetic source.Kind = "taken" // what the manifests lack, and what is taken in its place
)

// Manifests are what files have.
type Manifests struct {
	Objects []*Object
	Rules   []*lint.Rules      // those that say the same once
	Docs    []*source.Document // all documents, rules and other kinds among them

	Problems source.Problems

	alone *istiolint.Manifests // as tagproc lint reads them, without Istio
}

// An Object is a manifest that the control plane reads, and where it stands.
type Object struct {
	control.Object

	Doc *source.Document
}

// Read reads manifests and rules. What is refused is among the Problems, and the rest is
// read.
func Read(files []File, o Options) *Manifests {
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	m := &Manifests{alone: istiolint.Read(files, o.Rules)}
	for _, f := range files {
		docs, problems := source.Read(f.Name, f.Source)
		if f.Swept {
			problems = slices.DeleteFunc(problems, func(p source.Problem) bool {
				return p.Kind == source.KindNotMapping || p.Kind == source.KindNoName
			})
		}
		if problems.Err() != nil && len(docs) == 0 && bytes.Contains(f.Source, []byte("{{")) {
			problems = nil // a template, which tagproc lint says
		}
		problems = slices.DeleteFunc(problems, func(p source.Problem) bool { // read by istioctl alone
			return p.Kind == source.KindNoName && strings.Contains(p.Message, " IstioOperator ")
		})
		m.Problems = append(m.Problems, problems...)
		m.Docs = append(m.Docs, docs...)
		for _, d := range docs {
			if d.Kind != "" {
				m.readObject(d, o.Namespace)
			}
		}
	}
	m.readRules()
	m.last()
	return m
}

// readRules takes the rules that tagproc lint finds.
func (m *Manifests) readRules() {
	all, problems := m.alone.Rules()
	m.Problems = append(m.Problems, problems...)
	for _, r := range all {
		if !slices.ContainsFunc(m.Rules, func(known *lint.Rules) bool { return known.Table.Digest() == r.Table.Digest() }) {
			m.Rules = append(m.Rules, r)
		}
	}
}

// readObject decodes a manifest.
func (m *Manifests) readObject(d *source.Document, namespace string) {
	text, err := d.YAML(source.MaxFileSize)
	if err != nil {
		m.problem(d.Value, KindRefused, "%s", err)
		return
	}
	o, err := control.Decode(text, namespace)
	switch {
	case errors.Is(err, control.ErrKind), err != nil && d.Name == "":
		return // of no concern to Istio, or source has said what is wrong
	case err != nil:
		m.problem(d.Value, KindRefused, "%s is refused: %s", d.ID(), oneLine(err))
		return
	}
	for _, w := range o.Warnings {
		m.problem(d.Value, KindWarned, "Istio warns of %s: %s", d.ID(), oneLine(w))
	}
	m.Objects = append(m.Objects, &Object{o, d})
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

func (m *Manifests) problem(v source.Value, k source.Kind, format string, args ...any) {
	m.Problems = append(m.Problems, v.Problem(kinds[k], k, fmt.Sprintf(format, args...)))
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
			m.problem(o.Doc.Value, KindTwice, "%s is also in %s: the one that is applied last replaces the others; name the files that are in force together, and no others", o.Doc.ID(), winner.Doc.Place())
		}
		return winner != o
	})
}
