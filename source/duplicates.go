package source

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

// keepLast takes out of n, and of all below it, each key that comes again in its
// mapping, and tells of it. Where an object begins in another one, the keys of the
// object that follow are not told one by one.
func (r *reader) keepLast(n *yaml.Node, top bool) {
	for _, c := range n.Content {
		r.keepLast(c, false)
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	lines, last := map[string]int{}, map[string]int{} // the first line, the last index
	begins := ""                                      // the key with which another object does
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			continue
		}
		last[key.Value] = i
		first, twice := lines[key.Value]
		if !twice {
			lines[key.Value] = key.Line
			continue
		}
		fix := "remove one"
		if top {
			fix = `remove one, or is a "---" missing before this line?`
		}
		if begins == "" || begins == key.Value {
			r.problems = append(r.problems, r.text.Problem(key.Line, key.Column, Error, KindDuplicateKey,
				fmt.Sprintf("the key %q stands here for the second time, first in line %d; %s", key.Value, first, fix)))
		}
		if top && (key.Value == "apiVersion" || key.Value == "kind") {
			begins = key.Value
		}
	}
	kept := n.Content[:0:0]
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; key.Kind != yaml.ScalarNode || last[key.Value] == i {
			kept = append(kept, key, n.Content[i+1])
		}
	}
	n.Content = kept
}
