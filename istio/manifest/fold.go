package manifest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// NewMapping returns a mapping without keys.
func NewMapping() *Tree { return &Tree{root: mapping()} }

// NewList returns a list of trees.
func NewList(items ...*Tree) *Tree {
	t := &Tree{root: &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}}
	for _, item := range items {
		t.errs = append(t.errs, item.errs...)
		t.root.Content = append(t.root.Content, item.root)
	}
	return t
}

// Write writes t as a document below a comment, whose lines come without "#".
func (t *Tree) Write(w io.Writer, above string) error {
	if err := errors.Join(t.errs...); err != nil {
		return fmt.Errorf("couldn't write the document: %w", err)
	}
	if above != "" {
		if _, err := io.WriteString(w, comment(above)+"\n"); err != nil {
			return err
		}
	}
	return dump(w, t.root)
}

// Fold writes on one line, in brackets, what has no comment in it and fits into so many
// columns, and fills lines of comments. A list of several mappings stays a line or more
// for each, unless each leads to one scalar alone.
func (t *Tree) Fold(columns int) *Tree {
	fold(t.root, 0, 0, columns)
	return t
}

// fold folds n if it fits behind the column at, else what is below it: on lines of its
// own n begins at the column indent.
func fold(n *yaml.Node, at, indent, columns int) {
	if w := width(n); w >= 0 && (at+w <= columns || isChain(n)) {
		if n.Kind != yaml.ScalarNode {
			n.Style |= yaml.FlowStyle
		}
		return
	}
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			c.HeadComment = fill(c.HeadComment, columns-indent)
			fold(c, indent+2, indent+2, columns)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value, below := n.Content[i], n.Content[i+1], indent+2
			if value.Kind == yaml.SequenceNode {
				below = indent // its dashes stand below the key
			}
			key.HeadComment = fill(key.HeadComment, columns-indent)
			fold(value, indent+utf8.RuneCountInString(key.Value)+2, below, columns)
		}
	}
}

// isChain reports whether n leads to one scalar alone, which would be as long on a line
// of its own.
func isChain(n *yaml.Node) bool {
	for n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		n = n.Content[1]
	}
	return n.Kind == yaml.ScalarNode
}

// fill makes of each paragraph of a comment as few lines as fit into so many columns.
func fill(text string, columns int) string {
	paragraphs := strings.Split(text, "\n#\n")
	for i, paragraph := range paragraphs {
		var lines []string
		line := ""
		for word := range strings.FieldsSeq(strings.ReplaceAll(paragraph, "\n# ", " ")) {
			if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns {
				lines, line = append(lines, line), "#"
			}
			line = strings.TrimPrefix(line+" "+word, " ")
		}
		paragraphs[i] = strings.Join(append(lines, line), "\n")
	}
	return strings.Join(paragraphs, "\n#\n")
}

// indicators are the characters for which a scalar may be written in quotes.
const indicators = "[]{},*&!|>'\"%@`#:?"

// width returns how many columns n takes at most on one line, or -1 if it has to have
// several.
func width(n *yaml.Node) int {
	if n.HeadComment != "" {
		return -1
	}
	const brackets, quotes, separator = 2, 2, 2
	switch n.Kind {
	case yaml.ScalarNode:
		if strings.Contains(strings.TrimSuffix(n.Value, "\n"), "\n") {
			return -1
		}
		w := utf8.RuneCountInString(n.Value)
		if strings.ContainsAny(n.Value, indicators) {
			w += quotes
		}
		return w
	case yaml.SequenceNode:
		if len(n.Content) > 1 && slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !isChain(c) }) {
			return -1
		}
	}
	total := brackets - separator*min(1, len(n.Content))
	for _, c := range n.Content {
		w := width(c)
		if w < 0 {
			return -1
		}
		total += w + separator
	}
	return total
}
