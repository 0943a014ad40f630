package source

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A Value is what stands at one place of a document, or nothing.
type Value struct {
	text *Text
	node *yaml.Node // aliases resolved; nil: nothing stands here
	key  *yaml.Node // its key in a mapping; nil: it has none
	at   Place      // where it is written; of nothing, of what would hold it
	name string     // what messages call it: its key in quotes, or what it is an element of

	shape *Shape // not nil: v stands for any value, and has its shape noted here
}

// IsZero reports whether v is the zero Value, which is of no document.
func (v Value) IsZero() bool { return v.text == nil }

// Exists reports whether something other than null stands here.
func (v Value) Exists() bool { return v.node != nil && !isNull(v.node) }

// IsMapping reports whether v is a mapping.
func (v Value) IsMapping() bool { return v.node != nil && v.node.Kind == yaml.MappingNode }

// IsList reports whether v is a list.
func (v Value) IsList() bool { return v.node != nil && v.node.Kind == yaml.SequenceNode }

// IsScalar reports whether v is a scalar other than null.
func (v Value) IsScalar() bool { return v.Exists() && v.node.Kind == yaml.ScalarNode }

// Key returns the key of v in its mapping, or "".
func (v Value) Key() string {
	if v.key == nil {
		return ""
	}
	return v.key.Value
}

// Place returns where v is written: an alias where it stands, not what it leads to.
// Nothing has the place of what would hold it.
func (v Value) Place() Place { return v.at }

// KeyPlace returns where the key of v is written, or its place where it has none.
func (v Value) KeyPlace() Place {
	if v.key == nil {
		return v.at
	}
	return v.text.node(v.key)
}

// Problem returns a problem at the place of v.
func (v Value) Problem(s Severity, k Kind, message string) Problem {
	return v.at.Problem(s, k, message)
}

// Get returns what stands at path below v, whose elements are keys of mappings, as
// string, and indices of lists, as int. Where nothing stands the value is nothing, at
// the place of the last value on the path that is there.
func (v Value) Get(path ...any) Value {
	for _, step := range path {
		v = v.get(step)
	}
	return v
}

func (v Value) get(step any) Value {
	switch step := step.(type) {
	case string:
		if v.IsMapping() {
			if i := Index(v.node, step); i >= 0 {
				return v.entry(i)
			}
		}
	case int:
		if v.IsList() && 0 <= step && step < len(v.node.Content) {
			return v.element(step)
		}
	default:
		panic(fmt.Sprintf("source: a path of keys and indices has a %T in it", step))
	}
	return Value{text: v.text, at: v.at, name: fmt.Sprintf("%q", fmt.Sprint(step))}
}

func (v Value) entry(i int) Value {
	key, n := v.node.Content[i], v.node.Content[i+1]
	return Value{text: v.text, node: Resolve(n), key: key, at: v.text.node(n), name: fmt.Sprintf("%q", Shorten(key.Value))}
}

func (v Value) element(i int) Value {
	n := v.node.Content[i]
	return Value{text: v.text, node: Resolve(n), at: v.text.node(n), name: "an element of " + v.name}
}

// Entries returns the values of a mapping in their order, each with its key. Keys
// that are no texts, and null values, are among them.
func (v Value) Entries() []Value {
	if !v.IsMapping() {
		return nil
	}
	entries := make([]Value, 0, len(v.node.Content)/2)
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		entries = append(entries, v.entry(i))
	}
	return entries
}

// Elements returns the elements of a list in their order.
func (v Value) Elements() []Value {
	if !v.IsList() {
		return nil
	}
	elements := make([]Value, 0, len(v.node.Content))
	for i := range v.node.Content {
		elements = append(elements, v.element(i))
	}
	return elements
}

// Without returns v without the entries of keys: a mapping that is read in parts.
func (v Value) Without(keys ...string) Value {
	if !v.IsMapping() {
		return v
	}
	rest := *v.node
	rest.Content = nil
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		if !slices.Contains(keys, v.node.Content[i].Value) {
			rest.Content = append(rest.Content, v.node.Content[i], v.node.Content[i+1])
		}
	}
	v.node = &rest
	return v
}

// Text returns the scalar at path below v as it is written, without quotes, or "".
func (v Value) Text(path ...any) string {
	if v = v.Get(path...); v.Exists() && v.node.Kind == yaml.ScalarNode {
		return v.node.Value
	}
	return ""
}

// Decode reads v into a Go value by the rules of the YAML library.
func (v Value) Decode(into any) error {
	if v.node == nil {
		return nil
	}
	return v.node.Decode(into)
}

// YAML returns v written as a document of its own, its aliases written out, and the
// comments in it kept. It is an error where aliases expand to more than limit bytes.
func (v Value) YAML(limit int) ([]byte, error) {
	if v.node == nil {
		return nil, nil
	}
	n := Expand(v.node, limit)
	if n == nil {
		return nil, errors.New("with its aliases written out it is too large")
	}
	return Dump(n)
}

// Expand returns a copy of n with its aliases written out, or nil where they expand to
// more than limit bytes.
func Expand(n *yaml.Node, limit int) *yaml.Node { return expand(n, &limit) }

// expand takes the size of what it copies from left.
func expand(n *yaml.Node, left *int) *yaml.Node {
	n = Resolve(n)
	if *left -= 1 + len(n.Value); *left < 0 {
		return nil
	}
	c := *n
	c.Anchor, c.Content = "", nil
	for _, child := range n.Content {
		copied := expand(child, left)
		if copied == nil {
			return nil
		}
		c.Content = append(c.Content, copied)
	}
	return &c
}

// Dump returns a node, or a Go value, as YAML, lines as long as they come.
func Dump(v any) ([]byte, error) {
	var out bytes.Buffer
	d, err := yaml.NewDumper(&out, yaml.WithLineWidth(-1))
	if err != nil {
		return nil, err
	}
	if err := d.Dump(v); err != nil {
		return nil, err
	}
	err = d.Close()
	return out.Bytes(), err
}

// Node returns the YAML library's node of v, or nil. It is for code that moves text from
// file to file.
func (v Value) Node() *yaml.Node { return v.node }

// isTemplate reports whether v is what YAML makes of the {{ }} of a template: a mapping
// that has a mapping as its key.
func (v Value) isTemplate() bool {
	return v.IsMapping() && len(v.node.Content) > 0 && v.node.Content[0].Kind == yaml.MappingNode
}

// Describe says what v is, in the words of messages.
func (v Value) Describe() string {
	switch n := v.node; {
	case n == nil:
		return "nothing"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case n.Tag == "!!merge":
		return "a merge key (<<)"
	case isNull(n):
		return "null"
	case n.Tag == "!!str":
		return fmt.Sprintf("the string %q", Shorten(n.Value))
	case (n.Tag == "!!int" || n.Tag == "!!float") && strings.Trim(n.Value, "+-._0123456789abcdefABCDEFxoinIN") == "": // else a tag says so
		return "the number " + Shorten(n.Value)
	case strings.EqualFold(n.Value, "true"), strings.EqualFold(n.Value, "false"):
		return n.Value
	default:
		return fmt.Sprintf("the value %q", Shorten(n.Value))
	}
}

// Index returns the index of key in the content of the mapping n, or -1.
func Index(n *yaml.Node, key string) int {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// Resolve returns n, or what n is an alias of. The alias of an alias, which YAML does
// not have, stays as it is.
func Resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
