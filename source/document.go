package source

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// MaxFileSize is the largest file of manifests that is read, in bytes.
const MaxFileSize = 64 << 20

// Kinds of problems of files that should have objects of Kubernetes.
const (
	KindNotMapping Kind = "not-a-mapping" // a document that is a list or a text
	KindNoName     Kind = "no-name"       // an object without metadata.name, and without generateName
)

// A Document is one document of a file: an object of Kubernetes, or something else,
// such as a rules file, which has no Kind.
type Document struct {
	File       string
	APIVersion string
	Kind       string
	Namespace  string // as written; "" where it is left to kubectl
	Name       string
	Labels     map[string]string // of metadata

	Value             // the whole of it
	around *yaml.Node // its node with the comments around it; nil: it is an item of a List
}

func newDocument(t *Text, root *yaml.Node) *Document {
	d := &Document{File: t.Name, Value: Value{text: t, node: Resolve(root), at: t.node(root), name: "the document"}}
	d.APIVersion, d.Kind = d.Text("apiVersion"), d.Text("kind")
	d.Namespace, d.Name = d.Text("metadata", "namespace"), d.Text("metadata", "name")
	if labels := d.Get("metadata", "labels"); labels.IsMapping() {
		d.Labels = map[string]string{}
		for _, l := range labels.Entries() {
			d.Labels[l.key.Value] = l.Text() // the API server refuses labels that are not strings
		}
	}
	return d
}

// Around returns the YAML library's node of the document with the comments around it.
func (d *Document) Around() *yaml.Node { return d.around }

// Group returns the API group, as "networking.istio.io"; "" is the core group.
func (d *Document) Group() string {
	group, _, found := strings.Cut(d.APIVersion, "/")
	if !found {
		return ""
	}
	return group
}

// ID returns for example "VirtualService default/mocka".
func (d *Document) ID() string {
	name := d.Name
	if d.Namespace != "" {
		name = d.Namespace + "/" + name
	}
	return strings.TrimSpace(d.Kind + " " + name)
}

// Read returns the objects of src, the content of the file called name; see
// [Documents] and [Objects].
func Read(name string, src []byte) ([]*Document, Problems) {
	docs, problems := Documents(name, src, MaxFileSize)
	if len(problems) > 0 {
		return nil, problems
	}
	return Objects(docs)
}

// Objects returns the objects that documents are, the items of a List each as one.
// Documents that can be used come also where there are problems, and objects without
// a name beside the problem that says so. Objects mean what they mean to kubectl: of a
// key that an object has twice the last one counts, merge keys are written out, and on,
// yes and their like are booleans.
func Objects(docs []*Document) ([]*Document, Problems) {
	r := objects{}
	for _, d := range docs {
		if d.Get("kind").Exists() { // rules and lanes files have a grammar of their own
			k := kubectlReader{Report: &r.report, text: d.text}
			k.read(d.node, true)
			around := d.around
			d = newDocument(d.text, d.node)
			d.around = around
		}
		r.add(d)
	}
	return r.documents, r.report.Problems()
}

// Items returns the elements of a list as documents, as the items of a List are.
func Items(v Value) (docs []*Document) {
	for _, item := range v.Elements() {
		docs = append(docs, newDocument(v.text, item.node))
	}
	return docs
}

type objects struct {
	documents []*Document
	report    Report
}

func (r *objects) add(d *Document) {
	if !d.IsMapping() {
		r.report.Add(d.Problem(Error, KindNotMapping, "the document is "+d.Describe()+"; expected a mapping, as objects of Kubernetes and rules files are"))
		return
	}
	if items := d.Get("items"); strings.HasSuffix(d.Kind, "List") && items.Exists() {
		for _, item := range Items(items) {
			r.add(item)
		}
		return
	}
	if d.Kind == "List" {
		r.report.Add(d.Problem(Error, KindMissing, "this List has no items; did the command that wrote it find nothing?"))
		return
	}
	if d.Kind != "" && d.Name == "" && !d.Get("metadata", "generateName").Exists() {
		r.report.Add(d.Get("metadata").Problem(Error, KindNoName, fmt.Sprintf("this %s has no metadata.name", d.Kind)))
	}
	r.documents = append(r.documents, d)
}

// duplicateKey is the message for a key that stands twice in one mapping.
func duplicateKey(key string, first int) string {
	return fmt.Sprintf("duplicate key %q (first at line %d)", Shorten(key), first)
}
