package wasmplugin

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/source"
)

// A Note says what the manifest has and the rules file has not: fields of one
// meaning, and what becomes of it, or a comment.
type Note struct {
	Line, Col int      // of the first field or the comment, from 1
	Fields    []string // as "spec.phase AUTHN"; none: it is of a comment
	Message   string   // in one line
}

// String returns the note in one line, without its place.
func (n Note) String() string {
	if n.Fields == nil {
		return n.Message
	}
	return strings.Join(n.Fields, ", ") + ": " + n.Message
}

// meanings are the fields by what they say: of a WasmPlugin and a TrafficExtension
// (extensions.istio.io/v1alpha1), the latter without wasm in their paths, and of an
// ASMHashTagging. Those that are not listed here are unknown.
var meanings = []struct {
	fields  []string
	message string
}{
	{
		[]string{"apiVersion", "kind", "metadata"},
		"what the plug-in is called; a rules file is known by its path",
	},
	{
		[]string{"status"},
		"what the mesh reported of the plug-in",
	},
	{
		[]string{"spec.selector", "spec.targetRef", "spec.targetRefs", "spec.match", "spec.workloadSelector"},
		"which gateways and which traffic the plug-in was for; tagproc answers every Envoy that asks it, so this is said by Envoy's configuration (with Istio, by the EnvoyFilter that adds ext_proc)",
	},
	{
		[]string{"spec.phase", "spec.priority"},
		"where the plug-in stood among Envoy's filters; ext_proc stands where Envoy's configuration puts it: behind what sets the key header, before the router",
	},
	{
		[]string{"spec.failStrategy"},
		"what became of requests when the plug-in failed; with ext_proc this is failure_mode_allow",
	},
	{
		[]string{"spec.url", "spec.sha256", "spec.type", "spec.imagePullPolicy", "spec.imagePullSecret", "spec.verificationKey", "spec.pluginName", "spec.vmConfig"},
		"how the plug-in's Wasm module was fetched and run; tagproc has no such module",
	},
	{
		[]string{"spec.pluginConfig.debug"},
		"whether the plug-in logged what it did; the log of tagproc and explain have that",
	},
}

// selectorMeaning is that of the one field of an ASMHeaderPropagation that says more
// than a rules file can.
const selectorMeaning = "which workloads make headers of members again; tagproc writes members for all, and what hops do with them is said by their own configuration"

const unknownMeaning = "unknown to tagproc; check whether something else has to do it"

// meaningOf returns the index of a field's meaning; that of unknown fields is
// behind the last.
func meaningOf(field string) int {
	field = strings.Replace(field, "spec.wasm.", "spec.", 1)
	for i, m := range meanings {
		if slices.Contains(m.fields, field) {
			return i
		}
	}
	return len(meanings)
}

// notes returns a note for each meaning that the manifest has a field of, and for
// each comment that is not in converted, the rules file.
func (m *manifest) notes(converted []byte) []Note {
	notes := m.lost(converted)
	if m.key != nil {
		notes = append(notes, m.others()...)
	}
	if m.propagation != nil {
		spec := source.Resolve(m.propagation.Content[source.Index(m.propagation, "spec")+1])
		if i := source.Index(spec, "workloadSelector"); i >= 0 {
			key := spec.Content[i]
			notes = append(notes, Note{Line: key.Line, Col: key.Column, Fields: []string{"spec.workloadSelector of the ASMHeaderPropagation"}, Message: selectorMeaning})
		}
	}
	slices.SortFunc(notes, func(a, b Note) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col)) })
	return notes
}

// others returns the notes of fields that are not on the way to the rules.
func (m *manifest) others() []Note {
	notes := make([]Note, len(meanings)+1)
	m.fields(func(name string, key, value *yaml.Node) {
		i := meaningOf(name)
		n := &notes[i]
		if n.Fields == nil {
			n.Line, n.Col, n.Message = key.Line, key.Column, unknownMeaning
			if i < len(meanings) {
				n.Message = meanings[i].message
			}
		}
		n.Fields = append(n.Fields, name+valueOf(value))
	})
	return slices.DeleteFunc(notes, func(n Note) bool { return n.Fields == nil })
}

// fields calls f for every field that is not on the way to the rules, and for those
// beside the rules that a rules file does not have.
func (m *manifest) fields(f func(name string, key, value *yaml.Node)) {
	each := func(prefix string, n, skip *yaml.Node) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i] != skip {
				f(prefix+oneLine(n.Content[i].Value), n.Content[i], n.Content[i+1])
			}
		}
	}
	at, prefix := m.root, ""
	for _, key := range m.keys {
		each(prefix, at, key)
		at = source.Resolve(at.Content[source.Index(at, key.Value)+1])
		prefix += key.Value + "."
	}
	for _, name := range dropped {
		if i := source.Index(m.config, name); i >= 0 {
			f(prefix+name, m.config.Content[i], m.config.Content[i+1])
		}
	}
}

// valueOf returns what a note shows of a field's value: a short text, or nothing.
func valueOf(n *yaml.Node) string {
	const longest = 40
	if n.Kind != yaml.ScalarNode || n.Value == "" || len(n.Value) > longest {
		return ""
	}
	return " " + oneLine(n.Value)
}

// oneLine keeps text from breaking the line that it is shown in.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}
