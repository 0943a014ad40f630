package rules

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// headerPropagation is the kind of the manifest that may stand behind the rules.
const headerPropagation = "ASMHeaderPropagation"

// isHeaderPropagation reports whether n calls itself such a manifest.
func isHeaderPropagation(n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "kind" && n.Content[i+1].Value == headerPropagation {
			return true
		}
	}
	return false
}

// headerPropagation reads the spec of an ASMHeaderPropagation. Which workloads it
// selects is for those who render configurations of workloads.
func (d *decoder) headerPropagation(n *yaml.Node) {
	if version := d.child(n, "apiVersion"); version == nil || !strings.HasPrefix(version.Value, "istio.alibabacloud.com/") {
		d.file.problem(at(n), KindEnvelope, "this ASMHeaderPropagation has another apiVersion than one of istio.alibabacloud.com")
		return
	}
	spec := d.child(n, "spec")
	if spec == nil || isNull(spec) {
		d.file.problem(at(n), KindEnvelope, "this ASMHeaderPropagation has no spec, which is where it says what is propagated")
		return
	}
	d.propagation(at(spec), spec, "the spec of an ASMHeaderPropagation", field{name: "workloadSelector", read: func(_, _ *yaml.Node) {}})
}

// propagation reads n, which is called what in messages and may have other fields.
func (d *decoder) propagation(place pos, n *yaml.Node, what string, others ...field) {
	if p := d.file.propagation; p != nil {
		d.file.problem(place, KindPropagation, "propagation is declared already in the rules; declare it in one place")
		return
	}
	p := &propagationNode{pos: place}
	d.file.propagation = p
	p.bad = !d.mapping(n, what, append([]field{
		{name: "headers", read: func(key, n *yaml.Node) { p.headers = d.texts(key, n, "header names") }},
		{name: "headerPrefixes", read: func(key, n *yaml.Node) { p.prefixes = d.texts(key, n, "beginnings of header names") }},
	}, others...)...)
}
