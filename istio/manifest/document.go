package manifest

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/source"
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
	file *lines
	extent
}

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
	n, rest := descend(d.root, path)
	if len(rest) > 0 || n.Tag == "!!null" {
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

// Source returns the document as a file of its own, in which everything stands
// where it stands in d.File: lines that belong to others are blank. An item of a
// List in brackets, as in JSON, comes with its neighbours.
func (d *Document) Source() []byte {
	var b strings.Builder
	b.WriteString(strings.Repeat("\n", d.first-1))
	for i, line := range d.file.text[d.first-1 : min(d.last, len(d.file.text))] {
		if i == 0 {
			own := min(d.col-1, len(line)) // behind the "- " of a list
			line = strings.Repeat(" ", own) + line[own:]
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return []byte(b.String())
}

// Problem returns a problem at path, or, where nothing stands there, at what
// would hold it.
func (d *Document) Problem(s source.Severity, k source.Kind, message string, path ...any) source.Problem {
	n, _ := descend(d.root, path)
	return d.ProblemAt(n, s, k, message)
}

// ProblemAt returns a problem at a node of the document.
func (d *Document) ProblemAt(n *yaml.Node, s source.Severity, k source.Kind, message string) source.Problem {
	return d.file.problem(n.Line, n.Column, s, k, message)
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

// descend follows path as far as it leads, aliases included, and returns where it
// ended and what of path is left. The node of a key that leads to nothing, null,
// is that of the null.
func descend(n *yaml.Node, path []any) (*yaml.Node, []any) {
	for i, step := range path {
		next := child(n, step)
		if next == nil {
			return n, path[i:]
		}
		n = next
	}
	return n, nil
}

func child(n *yaml.Node, step any) *yaml.Node {
	switch step := step.(type) {
	case string:
		if n.Kind != yaml.MappingNode {
			return nil
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return resolve(n.Content[i+1])
			}
		}
	case int:
		if n.Kind == yaml.SequenceNode && 0 <= step && step < len(n.Content) {
			return resolve(n.Content[step])
		}
	default:
		panic(fmt.Sprintf("manifest: a path of keys and indices has a %T in it", step))
	}
	return nil
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
