package lint

import "go.yaml.in/yaml/v4"

// maxDepth is how deep searchNode looks: aliases can make a document a circle.
const maxDepth = 50

// searchNode returns the path below n to the first key or scalar that is name, in
// the order of the document. It is nil where there is none.
func searchNode(n *yaml.Node, name string, depth int) []any {
	if depth > maxDepth {
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i].Value, n.Content[i+1]
			if key == name || value.Value == name {
				return []any{key}
			}
			if path := searchNode(value, name, depth+1); path != nil {
				return append([]any{key}, path...)
			}
		}
	case yaml.SequenceNode:
		for i, value := range n.Content {
			if value.Value == name {
				return []any{i}
			}
			if path := searchNode(value, name, depth+1); path != nil {
				return append([]any{i}, path...)
			}
		}
	}
	return nil
}
