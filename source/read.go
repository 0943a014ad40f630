package source

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Kinds of problems that documents have and texts have not.
const (
	KindNotMapping Kind = "not-a-mapping" // a document that is a list or a text
	KindNoName     Kind = "no-name"       // an object without metadata.name, nor generateName
)

// Read returns the documents of src, the content of the file called name: YAML
// or JSON, several documents, and the items of a List each as one. Empty
// documents are left out. Documents that can be read come also where problems
// make others unusable, and objects without a name beside the problem that says so.
// Of a key that an object has twice the last one counts, as it does to kubectl;
// a file that is not YAML has none.
func Read(name string, src []byte) ([]*Document, Problems) {
	text, problems := Parse(name, src, MaxFileSize)
	r := reader{text: text, problems: problems}
	for _, n := range text.Documents {
		if Child(n, "kind") != nil { // rules and lanes files have a grammar that tells
			r.keepLast(n, true)
		}
		r.object(n)
	}
	return r.documents, r.problems
}

type reader struct {
	text      *Text
	documents []*Document
	problems  Problems
}

func (r *reader) object(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		r.problems = append(r.problems, r.text.Problem(n.Line, n.Column, Error, KindNotMapping,
			"expected a mapping, as an object of Kubernetes and a rules file are"))
		return
	}
	d := &Document{File: r.text.Name, root: n, text: r.text}
	d.APIVersion, d.Kind = d.Text("apiVersion"), d.Text("kind")
	if items := d.Node("items"); strings.HasSuffix(d.Kind, "List") && items != nil {
		for _, item := range items.Content {
			r.object(Resolve(item))
		}
		return
	}
	d.Namespace, d.Name = d.Text("metadata", "namespace"), d.Text("metadata", "name")
	if labels := d.Node("metadata", "labels"); labels != nil {
		_ = labels.Decode(&d.Labels) // labels that are none are a matter of the API server
	}
	if d.Kind != "" && d.Name == "" && d.Node("metadata", "generateName") == nil {
		r.problems = append(r.problems, d.Problem(Error, KindNoName,
			fmt.Sprintf("this %s has no metadata.name", d.Kind), "metadata"))
	}
	r.documents = append(r.documents, d)
}
