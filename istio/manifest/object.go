package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// An Object is an object of Kubernetes to be written.
type Object struct {
	APIVersion  string
	Kind        string
	Name        string
	Namespace   string
	Labels      map[string]string
	Annotations map[string]string
	Comment     string // stands above the object; lines without "#"
	Spec        *Tree
}

// FileName returns the name of a file for the object alone, such as
// "virtualservice-default-mocka.yaml".
func (o *Object) FileName() string {
	parts := []string{o.Kind, o.Namespace, o.Name}
	if o.Namespace == "" {
		parts = []string{o.Kind, o.Name}
	}
	return strings.ToLower(strings.Join(parts, "-")) + ".yaml"
}

// Write writes objects as a stream of YAML documents. Equal objects give equal
// bytes.
func Write(w io.Writer, objects ...*Object) error {
	var out bytes.Buffer
	for i, o := range objects {
		if i > 0 {
			out.WriteString("---\n")
		}
		if err := o.write(&out); err != nil {
			return fmt.Errorf("couldn't write %s %s: %w", o.Kind, o.Name, err)
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

func (o *Object) write(out *bytes.Buffer) error {
	if o.Comment != "" {
		out.WriteString(comment(o.Comment) + "\n")
	}
	metadata := mapping("name", scalar(o.Name))
	if o.Namespace != "" {
		metadata.Content = append(metadata.Content, scalar("namespace"), scalar(o.Namespace))
	}
	for _, m := range []struct {
		key    string
		values map[string]string
	}{{"labels", o.Labels}, {"annotations", o.Annotations}} {
		if len(m.values) == 0 {
			continue
		}
		var n yaml.Node
		if err := n.Encode(m.values); err != nil { // sorted by key
			return err
		}
		metadata.Content = append(metadata.Content, scalar(m.key), &n)
	}
	root := mapping("apiVersion", scalar(o.APIVersion), "kind", scalar(o.Kind), "metadata", metadata)
	if o.Spec != nil {
		if err := errors.Join(o.Spec.errs...); err != nil {
			return err
		}
		root.Content = append(root.Content, scalar("spec"), o.Spec.root)
	}
	return dump(out, root)
}

func dump(w io.Writer, root *yaml.Node) error {
	d, err := yaml.NewDumper(w, yaml.WithIndent(2), yaml.WithCompactSeqIndent(true), yaml.WithLineWidth(-1))
	if err != nil {
		return err
	}
	if err := d.Dump(root); err != nil {
		return err
	}
	return d.Close()
}

// A Tree is the content of an object, or of a part of one. What is done to it and
// fails is told when it is written.
type Tree struct {
	root *yaml.Node
	errs []error
}

// NewTree returns m in protobuf's JSON form, its fields in the order of the proto
// file. Fields have the names of Istio's manifests (camelCase), or, if
// protoNames, those of Envoy's (snake_case).
func NewTree(m proto.Message, protoNames bool) *Tree {
	text, err := protojson.MarshalOptions{UseProtoNames: protoNames}.Marshal(m)
	if err != nil {
		return &Tree{root: mapping(), errs: []error{err}}
	}
	var doc yaml.Node
	if err := yaml.Load([]byte(lineBreaks.Replace(string(text))), &doc); err != nil {
		return &Tree{root: mapping(), errs: []error{err}}
	}
	block(&doc)
	return &Tree{root: doc.Content[0]}
}

// Encode returns a Go value: structs with tags for yaml, whose fields keep their order.
func Encode(v any) *Tree {
	var n yaml.Node
	if err := n.Encode(v); err != nil {
		return &Tree{root: mapping(), errs: []error{err}}
	}
	block(&n)
	return &Tree{root: &n}
}

// lineBreaks makes YAML of JSON: what ends a line in YAML alone is escaped.
var lineBreaks = strings.NewReplacer("\u0085", `\u0085`, "\u2028", `\u2028`, "\u2029", `\u2029`, "\ufeff", `\ufeff`)

// Comment puts text above what stands at path; the elements of path are keys and
// indices. Lines come without "#".
func (t *Tree) Comment(text string, path ...any) *Tree {
	if len(path) == 0 {
		t.errs = append(t.errs, errors.New("a comment of the whole belongs to the object"))
		return t
	}
	parent, rest := descend(t.root, path[:len(path)-1])
	if len(rest) == 0 {
		if n := head(parent, path[len(path)-1]); n != nil {
			n.HeadComment = comment(text)
			return t
		}
	}
	t.errs = append(t.errs, fmt.Errorf("there is nothing at %v to comment on", path))
	return t
}

// Put sets key of the mapping at path to sub, behind the keys that it has. The
// place of a key that it has already stays.
func (t *Tree) Put(sub *Tree, key string, path ...any) *Tree {
	t.errs = append(t.errs, sub.errs...)
	n, rest := descend(t.root, path)
	if len(rest) > 0 || n.Kind != yaml.MappingNode {
		t.errs = append(t.errs, fmt.Errorf("there is no mapping at %v to put %s into", path, key))
		return t
	}
	n.Style &^= yaml.FlowStyle // an empty one is written in brackets
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content[i+1] = sub.root
			return t
		}
	}
	n.Content = append(n.Content, scalar(key), sub.root)
	return t
}

// head returns the node above which a comment on the child of n is written.
func head(n *yaml.Node, step any) *yaml.Node {
	key, isKey := step.(string)
	if !isKey {
		return child(n, step)
	}
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i]
			}
		}
	}
	return nil
}

// comment returns text with "# " before each line. What would end a line early,
// or is not allowed in YAML, is a space: texts may have names of users in them.
func comment(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		line = strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, line)
		b.WriteString(strings.TrimRight("# "+line, " "))
	}
	return b.String()
}

// block gives n the form that people write: JSON is in brackets and quotes.
func block(n *yaml.Node) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		*n = *scalar(n.Value)
	case n.Kind == yaml.ScalarNode || len(n.Content) > 0:
		n.Style = 0
	default:
		n.Style = yaml.FlowStyle
	}
	for _, c := range n.Content {
		block(c)
	}
}

// scalar returns s, in quotes where it would be something else without, such as
// "on", which is a boolean to Kubernetes (YAML 1.1).
func scalar(s string) *yaml.Node {
	var n yaml.Node
	if err := n.Encode(s); err != nil || n.Tag != "!!str" { // not UTF-8, which protobuf refuses before
		n = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: yaml.DoubleQuotedStyle}
	}
	return &n
}

// mapping returns a mapping of keys, string, and values, *yaml.Node, in turn.
func mapping(pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, p := range pairs {
		if key, ok := p.(string); ok {
			p = scalar(key)
		}
		n.Content = append(n.Content, p.(*yaml.Node))
	}
	return n
}

// descend follows path as far as it leads and returns where it ended and what of path
// is left.
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
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	case int:
		if n.Kind == yaml.SequenceNode && 0 <= step && step < len(n.Content) {
			return n.Content[step]
		}
	}
	return nil
}
