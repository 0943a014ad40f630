package lint

import (
	"slices"
	"strings"

	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A File is the content of a file, and its name for messages.
type File struct {
	Name   string
	Source []byte
	Swept  bool // of a directory, where files may be of any sort
}

// A Finding is one thing that would not work. Message says why, Fix what to do.
type Finding = lint.Finding

// A Report is what is found in files.
type Report struct {
	Findings   []Finding    `json:"findings"`   // in the order of the files and their lines
	LookedAt   []Seen       `json:"lookedAt"`   // what the files have, in the order of the checks
	NotChecked []NotChecked `json:"notChecked"` // what was not looked for
	// ForMesh counts objects whose meaning is Istio's alone: tagproc-mesh lint checks
	// them.
	ForMesh []Seen `json:"forMesh"`
}

// Seen says how many objects of one kind there are. The kinds of Kubernetes have
// their names; "rules" are rules files, also those in other objects, and "other"
// is what no check looks at; Of lists its kinds.
type Seen struct {
	Kind  string `json:"kind"`
	Count int    `json:"count"`
	Of    []Seen `json:"of,omitempty"`
}

// NotChecked names the kinds of findings that were not looked for, because of what
// the files do not include.
type NotChecked struct {
	Lacks []string      `json:"lacks"`
	Kinds []source.Kind `json:"kinds"`
}

// Errors returns the number of findings that are errors.
func (r *Report) Errors() int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == source.Error {
			n++
		}
	}
	return n
}

// Manifests are files that are read.
type Manifests struct {
	model *model
	names []string // of the files
}

// Read reads files. Of an object that is there several times the last one counts, as when
// all are applied.
func Read(files []File, o rules.Options) *Manifests {
	m := &Manifests{model: read(files, o)}
	for _, f := range files {
		m.names = append(m.names, f.Name)
	}
	return m
}

// Rules returns the usable rules of the files, whatever they stand in, and what is wrong
// with any of them.
func (m *Manifests) Rules() (usable []*lint.Rules, problems source.Problems) {
	for _, s := range m.model.rules {
		problems = append(problems, s.problems...)
	}
	return m.model.judged.Rules, problems
}

// Files reads files and returns what is found in them.
func Files(files []File, o rules.Options) *Report { return Read(files, o).Report() }

// Report runs every check that the files have the objects for.
func (m *Manifests) Report() *Report { return m.model.report(m.names) }

func (m *model) report(names []string) *Report {
	r := &Report{LookedAt: m.seen(), NotChecked: m.openRoutes(), ForMesh: m.forMesh()}
	for _, f := range m.findings {
		r.Findings = append(r.Findings, f.Finding)
	}
	lacking := map[string]int{}
	for _, c := range allChecks() {
		if lacks := m.lacks(c.needs); len(lacks) > 0 {
			if slices.Contains(lacks, string(needEnvoy)) || m.isStandalone() && !slices.ContainsFunc(lacks, func(l string) bool { return l == string(needRules) || l == string(needFilter) }) {
				continue // it is for files of another sort
			}
			key := list(lacks)
			i, known := lacking[key]
			if !known {
				i = len(r.NotChecked)
				lacking[key] = i
				r.NotChecked = append(r.NotChecked, NotChecked{Lacks: lacks})
			}
			r.NotChecked[i].Kinds = append(r.NotChecked[i].Kinds, c.kind)
			continue
		}
		if c.ofEnvoys != nil {
			r.Findings = append(r.Findings, c.ofEnvoys(&m.judged)...)
			continue
		}
		c.run(m, func(at place, why, fix string) {
			r.Findings = append(r.Findings, Finding{Problem: at.problem(c.severity, c.kind, why), Fix: fix})
		})
	}
	r.Findings = lint.Sort(r.Findings, names)
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	return r
}

// A check looks for one kind of finding.
type check struct {
	kind     source.Kind
	severity source.Severity
	needs    []need

	run      func(m *model, found found)
	ofEnvoys func(m *lint.Model) []lint.Finding // instead of run
}

// found takes a finding of a check: why it is one, and the fix.
type found func(at place, why, fix string)

// A place is something in a document.
type place struct {
	doc  *source.Document
	path []any
}

// in returns what stands at path below p.
func (p place) in(path ...any) place { return place{p.doc, slices.Concat(p.path, path)} }

// text returns the scalar at path below p, or "".
func (p place) text(path ...any) string { return p.get(path...).Text() }

// get returns what stands at path below p.
func (p place) get(path ...any) source.Value { return p.doc.Get(p.path...).Get(path...) }

// String returns where p is, for a message about something else.
func (p place) String() string { return p.problem(0, "", "").Place() }

func (p place) problem(s source.Severity, k source.Kind, message string) source.Problem {
	return p.get().Problem(s, k, message)
}

// list joins names for a message: "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
