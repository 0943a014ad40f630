package propagation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A Scope is what travels at which sidecars.
type Scope struct {
	Name      string            // of the object that says so, for another one to be called
	Namespace string            // of the pods; "": that of whom it is for
	Selector  map[string]string // labels that the pods have, all of them; empty: all pods
	Headers   rules.Owned       // what travels; not zero
}

const kindHeaderPropagation = "ASMHeaderPropagation"

// Read returns the scopes of documents: one of a rules file that has propagation, or
// one of each ASMHeaderPropagation. Where there are rules too, what is no tag header
// of theirs does not travel, as at the gateway. There are none exactly if a problem
// is an Error; warnings name what nothing is made of.
func Read(docs []*source.Document, o rules.Options) ([]*Scope, source.Problems) {
	r := reader{}
	for _, d := range docs {
		switch {
		case d.Kind == "", rules.PathIn(d) != nil, rules.In(d).Exists():
			r.rules(d, o)
		case d.Kind == kindHeaderPropagation:
			r.manifests = append(r.manifests, d)
		default:
			r.Add(d.Get("kind").Problem(source.Warning, rules.KindPropagation, d.ID()+" is ignored: propagating headers needs nothing of it"))
		}
	}
	if r.Errors() == 0 {
		r.scope()
	}
	if r.Errors() > 0 {
		return nil, r.Problems()
	}
	return r.scopes, r.Problems()
}

type reader struct {
	source.Reader

	rulesIn   *source.Document // that has the rules, or nil
	table     *rules.Table
	manifests []*source.Document

	scopes []*Scope
}

func (r *reader) rules(d *source.Document, o rules.Options) {
	if r.rulesIn != nil {
		r.Add(d.Problem(source.Error, rules.KindSeveralDocuments, r.rulesIn.File+" already has rules; expected one rules file, for one gateway"))
		return
	}
	table, problems := rules.Compile(rules.Parse(d.File, []*source.Document{d}), o)
	r.rulesIn, r.table = d, table
	r.Add(problems...)
}

// scope makes scopes of what was found.
func (r *reader) scope() {
	var declared rules.Owned
	if r.table != nil {
		declared = r.table.Propagated()
	}
	switch {
	case !declared.IsZero() && len(r.manifests) > 0:
		r.Add(r.manifests[0].Problem(source.Error, rules.KindPropagation, "propagation is already declared in "+r.rulesIn.File+"; declare it in one place"))
	case !declared.IsZero():
		r.scopes = []*Scope{{Name: "tagproc-propagation", Headers: declared}}
	case len(r.manifests) > 0:
		for _, d := range r.manifests {
			r.manifest(d)
		}
	case r.table != nil:
		r.Add(r.rulesIn.Problem(source.Error, rules.KindPropagation, "these rules propagate no tag header; add propagation with headers or headerPrefixes, or name the file of an "+kindHeaderPropagation+" too"))
	default:
		r.Add(source.Problem{File: fileOf(r.Problems()), Kind: rules.KindPropagation, Message: "nothing says what travels; expected a rules file with propagation, or an " + kindHeaderPropagation})
	}
}

// fileOf returns the first file that problems are about.
func fileOf(ps source.Problems) string {
	if len(ps) == 0 {
		return "input"
	}
	return ps[0].File
}

// manifest reads an ASMHeaderPropagation.
func (r *reader) manifest(d *source.Document) {
	if d.Group() != "istio.alibabacloud.com" {
		r.Add(d.Get("apiVersion").Problem(source.Error, rules.KindEnvelope, "the apiVersion of this "+kindHeaderPropagation+" is not one of istio.alibabacloud.com"))
		return
	}
	s := &Scope{Name: d.Name, Namespace: d.Namespace}
	if spec := d.Get("spec"); spec.Exists() {
		r.Foreign(spec, "spec",
			source.Field{Name: "workloadSelector", Read: func(v source.Value) { s.Selector = r.selector(v) }},
			source.Field{Name: "headers", Read: func(v source.Value) { r.names(s, v, false) }},
			source.Field{Name: "headerPrefixes", Read: func(v source.Value) { r.names(s, v, true) }},
			source.Field{Name: "headerPrefix", Hidden: true, Read: func(v source.Value) { r.names(s, v, true) }}, // as the field reference has it
		)
	}
	for _, names := range []*[]string{&s.Headers.Headers, &s.Headers.Prefixes} {
		slices.Sort(*names)
		*names = slices.Compact(*names)
	}
	if s.Headers.IsZero() && r.Errors() == 0 {
		r.Add(d.Get("spec").Problem(source.Error, source.KindMissing, "this "+kindHeaderPropagation+" names no header; list names under headers, beginnings of names under headerPrefixes, or both"))
	}
	r.scopes = append(r.scopes, s)
}

// selector returns the labels of the pods that are selected. What is not understood
// must not mean all pods.
func (r *reader) selector(v source.Value) (labels map[string]string) {
	r.Mapping(v, "workloadSelector", source.Field{Name: "labels", Read: func(v source.Value) {
		labels = map[string]string{}
		for e := range r.FreeKeys(v, "labels") {
			if labels[e.Key()] = e.Text(); !e.IsScalar() || !manifest.IsLabel(e.Key(), e.Text()) {
				r.Add(e.Problem(source.Error, source.KindType, fmt.Sprintf("%q is not a Kubernetes label; expected a name and a text", source.Shorten(e.Key()))))
			}
		}
	}})
	return labels
}

// names adds to s what travels of the names in v, a list or one name: with rules those
// that are tag headers of theirs.
func (r *reader) names(s *Scope, v source.Value, prefixes bool) {
	names := []source.Scalar[string]{}
	if v.IsScalar() {
		names = append(names, r.String(v))
	} else {
		names = r.Strings(v, "names of headers").Elements
	}
	for _, name := range names {
		if !name.OK() {
			continue
		}
		owned, err := r.travels(name.V, prefixes)
		switch {
		case err != nil:
			r.Add(name.Problem(source.Error, rules.KindHeader, err.Error()))
		case owned.IsZero():
			r.Add(name.Problem(source.Warning, rules.KindPropagation, fmt.Sprintf("%q is not a tag header of the rules in %s: it does not travel", source.Shorten(name.V), r.rulesIn.File)))
		}
		s.Headers.Headers = append(s.Headers.Headers, owned.Headers...)
		s.Headers.Prefixes = append(s.Headers.Prefixes, owned.Prefixes...)
	}
}

// travels returns what travels of a name, or of a beginning of names: all of it, or with
// rules what is a tag header of theirs.
func (r *reader) travels(name string, prefix bool) (travels rules.Owned, err error) {
	name = strings.ToLower(name)
	named := rules.Owned{Headers: []string{name}}
	if prefix {
		named = rules.Owned{Prefixes: []string{name}}
	}
	if r.table != nil {
		travels = r.table.Owned().And(named)
	} else if travels, err = rules.NewOwned(named.Headers, named.Prefixes); err != nil {
		return rules.Owned{}, err
	}
	return travels, travels.CheckTravels()
}
