package source

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// A Document is one mapping of a file: an object of Kubernetes, or something
// else, such as a rules file, which has no Kind.
type Document struct {
	File       string
	APIVersion string
	Kind       string
	Namespace  string // as written; "" where it is left to kubectl
	Name       string
	Labels     map[string]string // of metadata

	root *yaml.Node
	text *Text
}

// Root returns the document itself.
func (d *Document) Root() *yaml.Node { return d.root }

// Source returns the text that the document is of.
func (d *Document) Source() *Text { return d.text }

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

// Node returns what stands at path, whose elements are keys of mappings, as
// string, and indices of lists, as int. It is nil where nothing stands, or null.
func (d *Document) Node(path ...any) *yaml.Node {
	n, rest := Descend(d.root, path)
	if len(rest) > 0 || IsNull(n) {
		return nil
	}
	return n
}

// Text returns the scalar at path as it is written, or "".
func (d *Document) Text(path ...any) string {
	if n := d.Node(path...); n != nil && n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

// Problem returns a problem at path, or, where nothing stands there, at what
// would hold it.
func (d *Document) Problem(s Severity, k Kind, message string, path ...any) Problem {
	n, _ := Descend(d.root, path)
	return d.ProblemAt(n, s, k, message)
}

// ProblemAt returns a problem at a node of the document.
func (d *Document) ProblemAt(n *yaml.Node, s Severity, k Kind, message string) Problem {
	return d.text.Problem(n.Line, n.Column, s, k, message)
}

// Decode reads what stands at path into m, by the names of protobuf's JSON form.
// Nothing at path leaves m as it is. Unknown fields are an error if strict.
func (d *Document) Decode(m proto.Message, strict bool, path ...any) error {
	n := d.Node(path...)
	if n == nil {
		return nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return fmt.Errorf("couldn't read %s: %w", d.ID(), err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("couldn't read %s: %w", d.ID(), err)
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: !strict}).Unmarshal(text, m); err != nil {
		return fmt.Errorf("couldn't read %s: %w", d.ID(), err)
	}
	return nil
}
