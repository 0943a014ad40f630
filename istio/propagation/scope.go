package propagation

import (
	"encoding/json"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"

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
		switch d.Kind {
		case "", "WasmPlugin":
			r.rules(d, o)
		case kindHeaderPropagation:
			r.manifests = append(r.manifests, d)
		default:
			r.add(d.Problem(source.Warning, rules.KindPropagation, d.ID()+": nothing of it is needed to propagate headers", "kind"))
		}
	}
	if r.problems.Err() == nil {
		r.scope()
	}
	if r.problems.Err() != nil {
		return nil, r.problems
	}
	return r.scopes, r.problems
}

type reader struct {
	source    *source.Document // that has the rules, or nil
	table     *rules.Table
	manifests []*source.Document

	scopes   []*Scope
	problems source.Problems
}

func (r *reader) add(ps ...source.Problem) { r.problems = append(r.problems, ps...) }

func (r *reader) rules(d *source.Document, o rules.Options) {
	if r.source != nil {
		r.add(d.Problem(source.Error, rules.KindSeveralDocuments, "there are rules in "+r.source.File+" already; expected one rules file, for one gateway"))
		return
	}
	table, problems := rules.Compile(rules.Of(d, nil), o)
	r.source, r.table = d, table
	r.add(problems...)
}

// scope makes scopes of what was found.
func (r *reader) scope() {
	var declared rules.Owned
	if r.table != nil {
		declared = r.table.Propagated()
	}
	switch {
	case !declared.IsZero() && len(r.manifests) > 0:
		r.add(r.manifests[0].Problem(source.Error, rules.KindPropagation, "propagation is declared already in "+r.source.File+"; declare it in one place"))
	case !declared.IsZero():
		r.scopes = []*Scope{{Name: "tagproc-propagation", Headers: declared}}
	case len(r.manifests) > 0:
		for _, d := range r.manifests {
			r.manifest(d)
		}
	case r.table != nil:
		r.add(r.source.Problem(source.Error, rules.KindPropagation, "no tag header travels by these rules; add propagation with headers or headerPrefixes, or name the file of an "+kindHeaderPropagation+" too"))
	default:
		r.add(source.Problem{File: fileOf(r.problems), Kind: rules.KindPropagation, Message: "nothing says what travels; expected a rules file with propagation, or an " + kindHeaderPropagation})
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
		r.add(d.Problem(source.Error, rules.KindEnvelope, "this "+kindHeaderPropagation+" has another apiVersion than one of istio.alibabacloud.com", "apiVersion"))
		return
	}
	r.known(d, []string{"workloadSelector", "headers", "headerPrefixes"}, source.Warning, "spec")
	r.known(d, []string{"labels"}, source.Error, "spec", "workloadSelector") // what is not understood must not mean all pods
	s := &Scope{Name: d.Name, Namespace: d.Namespace, Selector: r.labels(d)}
	for _, o := range slices.Concat(
		r.names(d, "headers", func(name string) rules.Owned { return rules.Owned{Headers: []string{name}} }),
		r.names(d, "headerPrefixes", func(name string) rules.Owned { return rules.Owned{Prefixes: []string{name}} }),
	) {
		s.Headers.Headers = append(s.Headers.Headers, o.Headers...)
		s.Headers.Prefixes = append(s.Headers.Prefixes, o.Prefixes...)
	}
	for _, names := range []*[]string{&s.Headers.Headers, &s.Headers.Prefixes} {
		slices.Sort(*names)
		*names = slices.Compact(*names)
	}
	if s.Headers.IsZero() && r.problems.Err() == nil {
		r.add(d.Problem(source.Error, source.KindMissing, "no header travels by this "+kindHeaderPropagation+"; list names under headers, beginnings of names under headerPrefixes, or both", "spec"))
	}
	r.scopes = append(r.scopes, s)
}

// known tells of keys of the mapping at path that are not known.
func (r *reader) known(d *source.Document, keys []string, severity source.Severity, path ...any) {
	n := d.Node(path...)
	if n == nil {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.add(d.ProblemAt(n, source.Error, source.KindType, fmt.Sprintf("%v is no mapping; expected one with the keys %v", path[len(path)-1], keys)))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; !slices.Contains(keys, k.Value) {
			r.add(d.ProblemAt(k, severity, source.KindUnknownKey, fmt.Sprintf("nothing is made of %q; expected one of %v", k.Value, keys)))
		}
	}
}

// labels returns the labels of the pods that are selected.
func (r *reader) labels(d *source.Document) map[string]string {
	n := d.Node("spec", "workloadSelector", "labels")
	if n == nil {
		return nil
	}
	m := map[string]string{}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if value.Kind == yaml.ScalarNode && manifest.IsLabel(key.Value, value.Value) {
			m[key.Value] = value.Value
			continue
		}
		r.add(d.ProblemAt(value, source.Error, source.KindType, fmt.Sprintf("%q is no label of Kubernetes; expected a name and a text", key.Value)))
	}
	return m
}

// names returns what travels of each of the names that stand at a key of the spec;
// owned makes a tag header of one.
func (r *reader) names(d *source.Document, key string, owned func(name string) rules.Owned) (travels []rules.Owned) {
	n := d.Node("spec", key)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.add(d.ProblemAt(n, source.Error, source.KindType, key+" is no list; expected one of names"))
		return nil
	}
	for i, name := range n.Content {
		if name.Kind != yaml.ScalarNode {
			r.add(d.Problem(source.Error, source.KindType, "expected the name of a header", "spec", key, i))
			continue
		}
		o := rules.Options{TagHeaders: owned(name.Value)}
		if r.table != nil {
			o.TagHeaders = r.table.Owned()
		}
		// The checks are those of the rules.
		src, err := json.Marshal(map[string]any{"rules": []any{}, "propagation": map[string][]string{key: {name.Value}}})
		if err != nil {
			r.add(d.Problem(source.Error, rules.KindHeader, err.Error(), "spec", key, i))
			continue
		}
		table, problems := rules.Load(d.File, src, o)
		for _, p := range problems[:min(1, len(problems))] { // the others say it again
			r.add(d.Problem(p.Severity, p.Kind, p.Message, "spec", key, i))
		}
		if table != nil {
			travels = append(travels, table.Propagated())
		}
	}
	return travels
}
