package wasmplugin

import (
	"errors"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// rewrite returns the lines of the rules written anew, which is for those that
// cannot be lifted: JSON, and aliases into the rest of the manifest.
func (m *manifest) rewrite() ([]string, error) {
	left := rules.MaxFileSize
	config := plain(m.config, &left)
	if config == nil {
		return nil, errors.New("with its aliases written out it has more than 1 MiB")
	}
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
