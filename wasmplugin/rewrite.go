package wasmplugin

import (
	"errors"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// rewrite returns the lines of the rules written again, for those that cannot be
// lifted: JSON, aliases into the rest of the manifest, and what a manifest may
// say in words that a rules file does not have.
func (m *manifest) rewrite() ([]string, error) {
	left := rules.MaxFileSize
	config := plain(m.config, &left)
	if config == nil {
		return nil, errors.New("with its aliases written out it has more than 1 MiB")
	}
	translate(config)
	text, err := dump(config)
	return splitLines(text), err
}

// plain returns a copy of n without brackets, needless quotes and aliases. It
// takes the size of what it copies from left, and returns nil when that is used
// up: aliases of aliases would fill any memory.
func plain(n *yaml.Node, left *int) *yaml.Node {
	n = source.Resolve(n)
	if *left -= 1 + len(n.Value); *left < 0 {
		return nil
	}
	c := *n
	c.Anchor = ""
	c.Style &^= yaml.FlowStyle | yaml.DoubleQuotedStyle
	c.Content = nil
	for _, child := range n.Content {
		copied := plain(child, left)
		if copied == nil {
			return nil
		}
		c.Content = append(c.Content, copied)
	}
	if len(c.Content) == 0 && c.Kind != yaml.ScalarNode {
		c.Style |= yaml.FlowStyle // [] and {} are all that can be written
	}
	return &c
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
