package rules

import (
	"fmt"
	"strings"

	"github.com/tagproc/tagproc/source"
)

// headerPropagation is the kind of the manifest that may stand behind the rules.
const headerPropagation = "ASMHeaderPropagation"

// An envelope is a manifest that rules stand in.
type envelope struct {
	kind  string
	group string   // its API group; "" is the core group
	path  []string // to the rules
}

// envelopes are the manifests that rules stand in, beside the ConfigMap, which has
// them as text. The names of fields are those of Istio's API, and of ASMHashTagging
// those of the Go types that Alibaba Cloud Service Mesh publishes.
var envelopes = []envelope{
	{"WasmPlugin", "extensions.istio.io", []string{"spec", "pluginConfig"}},
	{"TrafficExtension", "extensions.istio.io", []string{"spec", "wasm", "pluginConfig"}},
	{HashTagging, "istio.alibabacloud.com", []string{"spec"}},
}

// HashTagging is the kind that newer releases of ASM have instead of the plug-in. Its
// meaning is inferred from its published types.
const HashTagging = "ASMHashTagging"

// PathIn returns the keys that lead to the rules in an object of an envelope's kind. It
// returns nil for an object that has no rules, or has them as text, as a ConfigMap does.
func PathIn(d *source.Document) []string {
	for _, e := range envelopes {
		if d.Kind == e.kind && d.Group() == e.group {
			return e.path
		}
	}
	return nil
}

// In returns the mapping that has the rules of an object: the object itself if it is a
// rules file, what its envelope holds, or the text of a ConfigMap. It returns nothing if
// there is no key "rules".
func In(d *source.Document) source.Value {
	v := d.Value
	switch path := PathIn(d); {
	case path != nil:
		for _, key := range path {
			v = v.Get(key)
		}
	case d.Kind == "ConfigMap" && d.Group() == "":
		docs, problems, _ := TextIn(d).Embedded()
		if len(problems) > 0 || len(docs) == 0 {
			return source.Value{}
		}
		return In(docs[0])
	case d.Kind != "":
		return source.Value{}
	}
	if !v.Get("rules").Exists() {
		return source.Value{}
	}
	return v
}

// trafficLabel is the kind of the manifest by which ASM's sidecars label requests.
const trafficLabel = "TrafficLabel"

// open finds the rules in what stands around them: nothing, a manifest, a ConfigMap, or
// a List with one of those.
func (d *decoder) open(doc *source.Document) {
	if doc.Get("kind").Key() == "" && doc.Get("apiVersion").Key() == "" {
		d.config(doc.Value, rulesFile)
		return
	}
	head := d.children(doc.Value, "the manifest", "kind", "apiVersion", "items", "spec")
	switch {
	case doc.Kind == "List":
		d.list(head["items"])
	case doc.Kind == "ConfigMap" && doc.Group() == "":
		d.configMap(doc)
	default:
		d.manifest(doc, head["spec"])
	}
}

// manifest reads the rules of a manifest. The rest of it belongs to others and is not
// looked at.
func (d *decoder) manifest(doc *source.Document, spec source.Value) {
	if path := PathIn(doc); path != nil {
		v, what := spec, doc.Kind
		for _, key := range path[1:] {
			v = d.children(v, what, key)[key]
			what = key
		}
		if !v.Exists() {
			at := doc.Value
			if spec.Exists() {
				at = spec
			}
			d.Add(at.Problem(source.Error, KindEnvelope, fmt.Sprintf("this %s has no %s, where the rules of a hash tagging plug-in stand", doc.Kind, strings.Join(path, "."))))
			return
		}
		if doc.Kind == HashTagging {
			d.Add(doc.Problem(source.Note, KindEnvelope, "the meaning of an ASMHashTagging is inferred from its published types; before you switch, compare it with the tags that users got (tagproc verify)"))
		}
		d.foreign = true
		d.config(v, path[len(path)-1])
		return
	}
	d.Add(doc.Problem(source.Error, KindEnvelope, "this is "+d.name(doc)+"; expected a rules file, or the rules in a WasmPlugin or TrafficExtension (pluginConfig), an ASMHashTagging, or a ConfigMap"))
}

// name says what a manifest without rules is.
func (d *decoder) name(doc *source.Document) string {
	switch {
	case doc.Kind == "":
		return "a manifest without a kind"
	case doc.Kind == headerPropagation:
		return "an ASMHeaderPropagation (it stands behind the rules, as the second YAML document of their file)"
	case doc.Kind == trafficLabel:
		return "a TrafficLabel, by which sidecars label requests (tagproc render recompute has them derive the tag by the rules)"
	case doc.APIVersion == "":
		return withArticle(doc.Kind) + " without an apiVersion"
	}
	return fmt.Sprintf("%s of %s", withArticle(doc.Kind), source.Shorten(doc.APIVersion))
}

// withArticle returns the name of a kind behind "a" or "an".
func withArticle(kind string) string {
	article := "a "
	if kind != "" && strings.ContainsRune("AEIO", rune(kind[0])) {
		article = "an "
	}
	return article + source.Shorten(kind)
}

// list reads a List, as kubectl get prints it, that has one manifest with rules.
func (d *decoder) list(items source.Value) {
	docs := source.Items(items)
	if len(docs) != 1 {
		d.Add(items.Problem(source.Error, KindEnvelope, fmt.Sprintf("this List has %d manifests; expected one with rules: ask kubectl for it by its name", len(docs))))
		return
	}
	if docs[0].Kind == "List" {
		d.Add(docs[0].Problem(source.Error, KindEnvelope, "this is a List in a List; expected a manifest with rules"))
		return
	}
	d.open(docs[0])
}

// rulesKey is the key of a ConfigMap that has the rules.
const rulesKey = "rules.yaml"

// TextIn returns the text of a ConfigMap that has the rules: under rules.yaml, or under
// its only key. It is nothing where neither is there.
func TextIn(configMap *source.Document) source.Value {
	data := configMap.Get("data")
	text := data.Get(rulesKey)
	if entries := data.Entries(); !text.Exists() && len(entries) == 1 {
		text = entries[0]
	}
	return text
}

// keysWithRules returns the keys of a ConfigMap's data that have rules, except that of text.
func keysWithRules(data, text source.Value) (keys []string) {
	for _, e := range data.Entries() {
		if !e.IsScalar() || e.Key() == text.Key() {
			continue
		}
		docs, problems, _ := e.Embedded()
		if problems.Err() == nil && len(docs) > 0 && In(docs[0]).Get("rules").IsList() {
			keys = append(keys, source.Shorten(e.Key()))
		}
	}
	return keys
}

func (d *decoder) configMap(doc *source.Document) {
	text := TextIn(doc)
	others := keysWithRules(doc.Get("data"), text)
	if !text.IsScalar() {
		message := "this ConfigMap has no rules; expected them as text under the key " + rulesKey + " of data, or under its only key"
		if len(others) > 0 {
			message = "this ConfigMap has rules under " + strings.Join(others, " and ") + " of data, beside other keys; call the one that is meant " + rulesKey + ", or make a ConfigMap of each"
		}
		d.Add(doc.Get("data").Problem(source.Error, KindEnvelope, message))
		return
	}
	if len(others) > 0 {
		d.Add(text.Problem(source.Warning, KindEnvelope, fmt.Sprintf("of this ConfigMap the rules under %s are taken; those under %s are not", text.Key(), strings.Join(others, " and "))))
	}
	docs, problems, _ := text.Embedded()
	if len(problems) > 0 {
		d.Add(problems...)
		return
	}
	if len(docs) > 0 && (docs[0].Kind == "ConfigMap" || docs[0].Kind == "List") {
		d.Add(text.Problem(source.Error, KindEnvelope, "this text is a "+docs[0].Kind+"; expected a rules file"))
		return
	}
	d.documents(text, docs)
}

// children returns the values of keys in the mapping v of a manifest. Other keys are not
// looked at; duplicate keys and merge keys, which might hold one of these, are reported.
func (d *decoder) children(v source.Value, what string, keys ...string) map[string]source.Value {
	found := map[string]source.Value{}
	for _, key := range keys {
		found[key] = v.Get(key)
	}
	if v.IsMapping() {
		for e := range d.Keys(v, what) {
			if _, wanted := found[e.Key()]; wanted {
				found[e.Key()] = e
			}
		}
	}
	return found
}

// headerPropagation reads the spec of an ASMHeaderPropagation. Which workloads it
// selects is for those who render configurations of workloads.
func (d *decoder) headerPropagation(doc *source.Document) {
	if doc.Group() != "istio.alibabacloud.com" {
		d.Add(doc.Problem(source.Error, KindEnvelope, "the apiVersion of this ASMHeaderPropagation is not one of istio.alibabacloud.com"))
		return
	}
	spec := d.children(doc.Value, "the manifest", "spec")["spec"]
	if !spec.Exists() {
		d.Add(doc.Problem(source.Error, KindEnvelope, "this ASMHeaderPropagation has no spec; expected one that says what is propagated"))
		return
	}
	d.propagation(spec.Place(), spec, "the spec of an ASMHeaderPropagation", field{Name: "workloadSelector", Read: func(source.Value) {}})
}
