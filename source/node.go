package source

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

// IsNull reports whether n is the value of a key that has none.
func IsNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// Resolve returns n, or what n is an alias of.
func Resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// Index returns the index of key in the content of the mapping n, or -1.
func Index(n *yaml.Node, key string) int {
	if n.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// Descend follows path, whose elements are keys of mappings, as string, and indices
// of lists, as int, as far as it leads, aliases included. It returns where it ended
// and what of path is left.
func Descend(n *yaml.Node, path []any) (*yaml.Node, []any) {
	for i, step := range path {
		next := Child(n, step)
		if next == nil {
			return n, path[i:]
		}
		n = next
	}
	return n, nil
}

// Child returns the value of a key, or the element of an index, or nil.
func Child(n *yaml.Node, step any) *yaml.Node {
	switch step := step.(type) {
	case string:
		if i := Index(n, step); i >= 0 {
			return Resolve(n.Content[i+1])
		}
	case int:
		if n.Kind == yaml.SequenceNode && 0 <= step && step < len(n.Content) {
			return Resolve(n.Content[step])
		}
	default:
		panic(fmt.Sprintf("source: a path of keys and indices has a %T in it", step))
	}
	return nil
}

// Describe says what n is, in the words of messages.
func Describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case n.Tag == "!!merge":
		return "a merge key (<<)"
	case IsNull(n):
		return "null"
	case n.Tag == "!!str":
		return fmt.Sprintf("the string %q", Shorten(n.Value))
	case n.Tag == "!!int", n.Tag == "!!float":
		return "the number " + Shorten(n.Value)
	default:
		return Shorten(n.Value)
	}
}

// maxQuoted is the length of a value from which a message has its beginning only,
// in characters.
const maxQuoted = 40

// Shorten keeps a quoted value from flooding a message.
func Shorten(s string) string {
	if r := []rune(s); len(r) > maxQuoted {
		return string(r[:maxQuoted]) + "…"
	}
	return s
}
