package rules

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/source"
)

// root reads a whole file: a bare one, or a manifest around one.
func (d *decoder) root(n *yaml.Node) {
	if has(n, "kind") || has(n, "apiVersion") {
		d.manifest(n)
		return
	}
	d.config(n, "a rules file")
}

// manifest reads spec.pluginConfig of a WasmPlugin. The rest of the manifest
// belongs to others and is not looked at.
func (d *decoder) manifest(n *yaml.Node) {
	kind, version := d.child(n, "kind"), d.child(n, "apiVersion")
	if kind == nil || kind.Value != "WasmPlugin" || version == nil || !strings.HasPrefix(version.Value, "extensions.istio.io/") {
		d.file.problem(at(n), KindEnvelope, "this is "+manifestName(kind, version)+
			"; expected a rules file, or a WasmPlugin of extensions.istio.io with the rules in spec.pluginConfig")
		return
	}
	spec := d.child(n, "spec")
	config := d.child(spec, "pluginConfig")
	if config == nil || isNull(config) {
		p := at(n)
		if spec != nil {
			p = at(spec)
		}
		d.file.problem(p, KindEnvelope, "this WasmPlugin has no spec.pluginConfig, which is where the rules of a hash tagging plug-in stand")
		return
	}
	d.config(config, "pluginConfig")
}

func manifestName(kind, version *yaml.Node) string {
	switch {
	case kind == nil:
		return "a manifest without a kind"
	case version == nil:
		return fmt.Sprintf("a %s without an apiVersion", shorten(kind.Value))
	case kind.Value == "ConfigMap":
		return `a ConfigMap (the rules file is the text under its data: kubectl get configmap tagproc-rules -n istio-system -o jsonpath='{.data.rules\.yaml}')`
	case kind.Value == "List":
		return "a List of manifests (ask kubectl for one of them, by its name)"
	case kind.Value == headerPropagation:
		return "an ASMHeaderPropagation (it stands behind the rules, as the second YAML document of their file)"
	default:
		return fmt.Sprintf("a %s of %s", shorten(kind.Value), shorten(version.Value))
	}
}

// has reports whether n is a mapping with the key.
func has(n *yaml.Node, key string) bool {
	if n.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// child returns the value of key in the mapping n of a manifest, or nil. Other
// keys of n are not looked at, but for merge keys, which might hold this one.
func (d *decoder) child(n *yaml.Node, key string) (value *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	line := 0
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch k := n.Content[i]; {
		case k.Tag == "!!merge":
			d.mergeKey(k)
		case k.Value == key && value != nil:
			d.duplicateKey(k, line)
		case k.Value == key:
			value, line = n.Content[i+1], k.Line
			if value.Kind == yaml.AliasNode {
				value = value.Alias
			}
		}
	}
	return value
}

func (d *decoder) config(n *yaml.Node, what string) {
	f := d.file
	rulesSeen := false
	d.mapping(n, what,
		field{name: "tagHeaders", read: func(_, n *yaml.Node) { d.tagHeaders(n) }},
		field{name: "propagation", read: func(key, n *yaml.Node) { d.propagation(at(key), n, "propagation") }},
		field{name: "forwarded", read: func(key, n *yaml.Node) { d.forwarded(key, n) }},
		field{name: "exclusive", read: func(key, n *yaml.Node) {
			f.exclusive = listOf[exclusiveNode]{pos: at(key), set: true}
			f.exclusive.bad = !d.list(key, n, "lists of RULE/TAG", func(n *yaml.Node) {
				l := d.texts(key, n, "RULE/TAG")
				l.pos = at(n)
				f.exclusive.elements = append(f.exclusive.elements, l)
			})
		}},
		field{name: "trustClientTags", read: d.asBool(&f.trustClientTags)},
		field{name: "debug", reserved: true, read: func(key, _ *yaml.Node) {
			f.note(at(key), source.Note, source.KindUnsupported, `"debug" is a setting of the plug-in: nothing is made of it; tagproc explain shows how a request is decided`)
		}},
		field{name: "rules", read: func(key, n *yaml.Node) {
			rulesSeen = true
			if isNull(n) {
				f.problem(at(key), source.KindMissing, `"rules" has no value, as in a file that was cut off; a file that tags nobody says "rules: []"`)
				return
			}
			d.list(key, n, "rules", d.rule)
		}},
	)
	if n.Kind == yaml.MappingNode && !rulesSeen {
		f.problem(at(n), source.KindMissing, `there is no "rules", as in a file that was cut off; a file that tags nobody says "rules: []"`)
	}
}

func (d *decoder) tagHeaders(n *yaml.Node) {
	t := &tagHeadersNode{}
	d.file.tagHeaders = t
	t.bad = !d.mapping(n, "tagHeaders",
		field{name: "headers", read: func(key, n *yaml.Node) { t.headers = d.texts(key, n, "header names") }},
		field{name: "headerPrefixes", read: func(key, n *yaml.Node) { t.prefixes = d.texts(key, n, "beginnings of header names") }},
	)
}

func (d *decoder) rule(n *yaml.Node) {
	r := ruleNode{pos: at(n)}
	if d.mapping(n, "a rule",
		field{name: "name", read: d.asText(&r.name)},
		field{name: "description", read: d.asText(&r.description)},
		field{name: "match", read: func(key, n *yaml.Node) { r.match = d.match(key, n) }},
		field{name: "header", read: d.asText(&r.header)},
		field{name: "keys", read: listField(d, &r.keys, "keys, each a header, cookie, query or visitor", d.key)},
		field{name: "modulo", read: d.asInt(&r.modulo)},
		field{name: "tagHeader", read: d.asText(&r.tagHeader)},
		field{name: "hash", read: d.asWord(&r.hash, hashNames)},
		field{name: "salt", read: d.asText(&r.salt)},
		field{name: "mode", read: d.asWord(&r.mode, modeNames)},
		field{name: "overrides", read: listField(d, &r.overrides, "overrides, each with values and tagValue", d.override)},
		field{name: "policies", read: listField(d, &r.policies, "policies, each with range and tagValue", d.policy)},
		field{name: "partitions", read: listField(d, &r.partitions, "partitions, each with partitionSize and tagValue", d.partition)},
		d.refused("cookie", `it is one of a rule's keys: write "keys: [{cookie: NAME}]"`, &r.otherKey),
		d.refused("query", `it is one of a rule's keys: write "keys: [{query: NAME}]"`, &r.otherKey),
		d.refused("visitor", `it is one of a rule's keys, the last: write "keys: [{visitor: {cookie: tagproc-visitor}}]"`, &r.otherKey),
		d.refused("claim", claimRecipe, &r.otherKey),
	) {
		d.file.rules = append(d.file.rules, r)
	}
}

// listField returns the read function of a list of mappings.
func listField[T any](d *decoder, l *listOf[T], of string, element func(n *yaml.Node) (T, bool)) func(key, n *yaml.Node) {
	return func(key, n *yaml.Node) {
		*l = listOf[T]{pos: at(key), set: true}
		l.bad = !d.list(key, n, of, func(n *yaml.Node) {
			if e, ok := element(n); ok {
				l.elements = append(l.elements, e)
			} else {
				l.bad = true
			}
		}) || l.bad
	}
}

func (d *decoder) override(n *yaml.Node) (o overrideNode, ok bool) {
	o.pos = at(n)
	ok = d.mapping(n, "an override",
		field{name: "values", read: func(key, n *yaml.Node) { o.values = d.texts(key, n, "values of the key") }},
		field{name: "tagValue", read: d.asText(&o.tagValue)},
		field{name: "none", read: d.asBool(&o.none)},
	)
	return o, ok
}

func (d *decoder) policy(n *yaml.Node) (p policyNode, ok bool) {
	p.pos = at(n)
	ok = d.mapping(n, "a policy",
		field{name: "from", read: d.asInt(&p.from)},
		field{name: "range", read: d.asInt(&p.rng)},
		field{name: "ramp", read: listField(d, &p.ramp, "steps, each with at and range", d.rampStep)},
		field{name: "allowDecrease", read: d.asBool(&p.allowDecrease)},
		field{name: "tagValue", read: d.asText(&p.tagValue)},
		d.refused("partitionSize", `partitions have it: write "partitions" instead of "policies", or "range" here`, new(bool)),
	)
	return p, ok
}

// refused returns the field of a key that others have, and this mapping has not,
// with what to write instead.
func (d *decoder) refused(name, instead string, used *bool) field {
	return field{name: name, reserved: true, read: func(key, _ *yaml.Node) {
		*used = true
		d.file.problem(at(key), source.KindUnsupported, fmt.Sprintf("%q has no place here; %s", key.Value, instead))
	}}
}
