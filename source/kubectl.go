package source

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxMerged bounds the keys that the merge keys of one file stand for.
const maxMerged = maxValues

// A kubectlReader gives a tree the meaning that kubectl's reader gives it, which reads
// YAML 1.1: of a key that stands twice the last one counts, merge keys stand for what they
// lead to, and plain words such as on and yes are booleans.
type kubectlReader struct {
	*Report

	text   *Text
	merged int // keys that merge keys stood for
}

// read reads n, which is the whole of a document exactly if top is set, and all below it.
// What an alias leads to stands before it, so that it is read already.
func (r *kubectlReader) read(n *yaml.Node, top bool) {
	for _, c := range n.Content {
		r.read(c, false)
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			if value, is := oldBool(n.Content[i]); is { // a key is a text all the same
				n.Content[i].Value, n.Content[i].Tag = strconv.FormatBool(value), "!!str"
			}
		}
		r.keepLast(n, top)
		r.merge(n)
	case yaml.ScalarNode:
		if _, is := oldBool(n); is {
			n.Tag = "!!bool"
		}
	}
}

// oldBools are the plain words that are booleans in YAML 1.1 and texts in YAML 1.2.
var oldBools = map[string]bool{
	"y": true, "Y": true, "yes": true, "Yes": true, "YES": true, "on": true, "On": true, "ON": true,
	"n": false, "N": false, "no": false, "No": false, "NO": false, "off": false, "Off": false, "OFF": false,
}

// oldBool returns the value of a plain word that is a boolean in YAML 1.1 alone.
func oldBool(n *yaml.Node) (value, is bool) {
	if n.Kind == yaml.ScalarNode && n.Style == 0 {
		value, is = oldBools[n.Value]
	}
	return value, is
}

// IsOldBool reports whether text, written without quotes, is a boolean in YAML 1.1 and a
// text in YAML 1.2.
func IsOldBool(text string) bool {
	_, is := oldBools[text]
	return is
}

// oldScalars match plain words that are no texts in YAML 1.1, except booleans: null, numbers
// in any base, to the base 60, with underscores or an exponent, instants, and what merges.
var oldScalars = regexp.MustCompile(`^(?:~|null|Null|NULL|true|True|TRUE|false|False|FALSE|<<|=|` +
	`[-+]?0[xX][0-9a-fA-F_]+|[-+]?0[bBoO][-+]?[0-7_]+|` +
	`[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]*)?|[-+]?\.[0-9_]+(?:[eE][-+]?[0-9]*)?|` +
	`[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|` +
	`[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?)$`)

// isOldScalar reports whether text, written without quotes, is no text in YAML 1.1, or
// none in brackets.
func isOldScalar(text string) bool {
	return text == "" || strings.ContainsRune(":?-", rune(text[0])) || IsOldBool(text) || oldScalars.MatchString(text)
}

// keepLast removes every duplicate key of a mapping but the last, and reports it. Where
// a second object begins in the first, only its first key is reported.
func (r *kubectlReader) keepLast(n *yaml.Node, top bool) {
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
			lines[key.Value] = r.text.node(key).line
			continue
		}
		fix := "remove one"
		if top {
			fix = `remove one, or is a "---" missing before this line?`
		}
		if begins == "" || begins == key.Value {
			r.Add(r.text.node(key).Problem(Error, KindDuplicateKey, duplicateKey(key.Value, first)+"; "+fix))
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

// merge puts what the merge keys of a mapping lead to in their place. As for kubectl the
// last of several equal keys counts, and of a list of mappings the first one.
func (r *kubectlReader) merge(n *yaml.Node) {
	if !slices.ContainsFunc(n.Content, isMerge) {
		return
	}
	var content []*yaml.Node
	at := map[string]int{}
	put := func(key, value *yaml.Node) {
		i, there := at[key.Value]
		if !there {
			at[key.Value] = len(content)
			content = append(content, key, value)
			return
		}
		content[i], content[i+1] = key, value
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !isMerge(key) {
			put(key, n.Content[i+1])
			continue
		}
		mappings, ok := mergedBy(n.Content[i+1])
		if !ok {
			r.Add(r.text.node(n.Content[i+1]).Problem(Error, KindSyntax, "a merge key (<<) takes a mapping, or a list of mappings; kubectl refuses the file"))
		}
		for _, m := range slices.Backward(mappings) {
			before := r.merged
			if r.merged += len(m.Content) / 2; before > maxMerged {
				return
			} else if r.merged > maxMerged {
				r.Add(r.text.node(key).Problem(Error, KindAliases, fmt.Sprintf("the merge keys of this file stand for more than %d keys; write them out", maxMerged)))
				return
			}
			for j := 0; j+1 < len(m.Content); j += 2 {
				put(m.Content[j], m.Content[j+1])
			}
		}
	}
	n.Content = content
}

func isMerge(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!merge" }

// mergedBy returns the mappings that the value of a merge key leads to. It is not ok if
// the value leads to something else.
func mergedBy(value *yaml.Node) (mappings []*yaml.Node, ok bool) {
	nodes := []*yaml.Node{Resolve(value)}
	if nodes[0].Kind == yaml.SequenceNode {
		nodes = nodes[0].Content
	}
	for _, n := range nodes {
		if n = Resolve(n); n.Kind != yaml.MappingNode {
			return nil, false
		}
		mappings = append(mappings, n)
	}
	return mappings, true
}
