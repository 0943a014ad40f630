package wasmplugin

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/source"
)

// above returns the comments of a manifest that a rules file begins with: those of
// the file, and of the keys that lead to the rules.
func (m *manifest) above() []string {
	if m.key == nil {
		return nil
	}
	first := m.root.Content[0]
	comments := []string{m.doc.HeadComment, first.HeadComment}
	for _, key := range m.keys {
		if key != first {
			comments = append(comments, key.HeadComment)
		}
		comments = append(comments, key.LineComment)
	}
	return slices.DeleteFunc(comments, func(c string) bool { return c == "" })
}

// below returns, line by line, the comments of and behind the rules. Those that
// do not stand among the rules already are what a rules file ends with.
func (m *manifest) below() []string {
	lines := commentsIn(m.config)
	if m.key != nil {
		for _, key := range slices.Backward(m.keys) {
			lines = append(lines, commentLines(key.FootComment)...)
		}
		lines = append(lines, commentLines(m.root.FootComment, m.doc.FootComment)...)
	}
	return lines
}

// commentsIn returns every comment in n, line by line.
func commentsIn(n *yaml.Node) []string {
	lines := commentLines(n.HeadComment, n.LineComment)
	for _, child := range n.Content {
		lines = append(lines, commentsIn(child)...)
	}
	return append(lines, commentLines(n.FootComment)...)
}

func commentLines(comments ...string) (lines []string) {
	for _, c := range comments {
		for line := range strings.SplitSeq(c, "\n") {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// comment matches what is a comment, unless it stands in a text.
var comment = regexp.MustCompile(`(?:^|[ \t])#.*`)

// commentIn returns the comment in a line as it begins with #, or "".
func commentIn(line string) string { return strings.TrimSpace(comment.FindString(line)) }

// keptIn returns the comments in a rules file.
func keptIn(file []byte) map[string]bool {
	kept := map[string]bool{}
	for line := range strings.Lines(string(file)) {
		kept[commentIn(line)] = true
	}
	return kept
}

// lost returns a note for each comment of the manifest that is not in converted.
// It looks for them in the lines, because the YAML library does not keep all.
func (m *manifest) lost(converted []byte) (notes []Note) {
	kept, texts := keptIn(converted), textsIn(m.doc)
	for i, line := range source.Lines(string(m.src)) {
		c := commentIn(line)
		if c == "" || kept[c] || slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(t, c) }) {
			continue
		}
		before, _, _ := strings.Cut(line, c)
		notes = append(notes, Note{Line: i + 1, Col: 1 + utf8.RuneCountInString(before), Message: "comment not carried over: " + oneLine(c)})
	}
	return notes
}

// textsIn returns the scalars in n that may hold what looks like a comment.
func textsIn(n *yaml.Node) (texts []string) {
	if strings.Contains(n.Value, "#") {
		texts = append(texts, n.Value)
	}
	for _, child := range n.Content {
		texts = append(texts, textsIn(child)...)
	}
	return texts
}
