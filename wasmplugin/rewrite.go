package wasmplugin

import (
	"errors"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// rewrite returns the lines of the rules written again, for those that cannot be
// lifted: brackets, aliases into the rest of the manifest, and what a manifest may say in
// words that a rules file does not have.
func (m *manifest) rewrite() ([]string, error) {
	config := source.Expand(m.config, rules.MaxFileSize)
	if config == nil {
		return nil, errors.New("with its aliases written out it has more than 1 MiB")
	}
	unbracket(config, false)
	translate(config)
	text, err := source.Dump(config)
	return source.Lines(string(text)), err
}

// unbracket writes n, which is a copy, in lines of its own. Quotes around keys go, and in
// JSON, where keys have them too, also those around values: there they say nothing.
// Those of a word that YAML 1.1 takes for a boolean stay.
func unbracket(n *yaml.Node, json bool) {
	n.Style &^= yaml.FlowStyle
	if len(n.Content) == 0 && n.Kind != yaml.ScalarNode {
		n.Style |= yaml.FlowStyle // [] and {} are all that can be written
	}
	if json && !source.IsOldBool(n.Value) {
		n.Style &^= yaml.DoubleQuotedStyle
	}
	for i, child := range n.Content {
		isKey := n.Kind == yaml.MappingNode && i%2 == 0
		if isKey {
			json = child.Style&yaml.DoubleQuotedStyle != 0 // so has the value behind it
		}
		unbracket(child, json || isKey)
	}
}

// dropped are what a manifest may have beside the rules, and a rules file has not.
var dropped = []string{"debug", "workloadSelector"}

// translate gives the rules in n, which is a copy, the words of a rules file: what a
// manifest may have beside them goes, and match.host and partitionedPolicies become
// match.hosts and partitions.
func translate(n *yaml.Node) {
	for _, name := range dropped {
		remove(n, name)
	}
	i := source.Index(n, "rules")
	if i < 0 {
		return
	}
	for _, rule := range n.Content[i+1].Content {
		if i := source.Index(rule, "partitionedPolicies"); i >= 0 {
			rule.Content[i].Value = "partitions"
		}
		if i := source.Index(rule, "match"); i >= 0 {
			match := rule.Content[i+1]
			if j := source.Index(match, "host"); j >= 0 {
				match.Content[j].Value = "hosts"
				match.Content[j+1] = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle, Content: []*yaml.Node{match.Content[j+1]}}
			}
		}
	}
}

// remove takes key out of the mapping n.
func remove(n *yaml.Node, key string) {
	if i := source.Index(n, key); i >= 0 {
		n.Content = append(n.Content[:i:i], n.Content[i+2:]...)
	}
}
