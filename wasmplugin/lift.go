package wasmplugin

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/source"
)

// lift returns the lines of the rules as they are written, without the
// indentation that they all have. So everything stays that the YAML library does
// not keep or would move: blank lines, the alignment of comments, rules that are
// commented out.
func (m *manifest) lift() ([]string, error) {
	if m.config.Style&yaml.FlowStyle != 0 {
		return nil, errors.New("it is written in brackets, like JSON")
	}
	lines := source.Lines(string(m.src))
	if m.key != nil {
		end := len(lines)
		if m.next != nil {
			end = m.next.Line - 1
		}
		if m.config.Line <= m.key.Line || end < m.config.Line {
			return nil, errors.New("it does not stand below its key")
		}
		lines = own(lines[m.key.Line:end], m.config.Column-1)
	} else if m.propagation != nil {
		end := m.propagation.Line - 1
		for end > 0 && !isMarker(lines[end]) {
			end--
		}
		if end < m.config.Line {
			return nil, errors.New("the document behind it begins without a line of its own")
		}
		lines = lines[:end]
	}
	for i, l := range lines {
		lines[i] = dedent(l, m.config.Column-1)
	}
	return lines, nil
}

// own returns lines, which begin a mapping that is indented by indent spaces,
// without what is around it: blank lines, comments behind it that are indented
// less, and the end of the document.
func own(lines []string, indent int) []string {
	for i, l := range lines {
		if isMarker(l) {
			lines = lines[:i]
			break
		}
	}
	for len(lines) > 0 && isBlank(lines[0]) {
		lines = lines[1:]
	}
	for len(lines) > 0 {
		last := lines[len(lines)-1]
		if !isBlank(last) && !(isComment(last) && indentation(last) < indent) {
			break
		}
		lines = lines[:len(lines)-1]
	}
	return lines
}

// dedent returns line without its first spaces, n of them at most.
func dedent(line string, n int) string {
	return line[min(n, indentation(line)):]
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func isBlank(line string) bool   { return strings.TrimSpace(line) == "" }
func isComment(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") }

// isMarker reports whether line begins or ends a document, or is a directive.
func isMarker(line string) bool { return strings.HasPrefix(line, "%") || source.IsMarker(line) }
