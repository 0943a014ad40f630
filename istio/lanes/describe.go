package lanes

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// describe says what a node is, in the words of messages.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case n.Tag == "!!merge":
		return "a merge key (<<)"
	case n.Tag == "!!null":
		return "null"
	case n.Tag == "!!str":
		return fmt.Sprintf("the string %q", shorten(n.Value))
	case n.Tag == "!!int", n.Tag == "!!float":
		return "the number " + shorten(n.Value)
	default:
		return shorten(n.Value)
	}
}

// shorten keeps a quoted value from flooding a message.
func shorten(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// names lists the names of fields for a message.
func names(fields []field) string {
	var ns []string
	for _, f := range fields {
		ns = append(ns, f.name)
	}
	return strings.Join(ns, ", ")
}
