package source

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Edit returns the text with the scalar n, a node of it, written as value: every
// other byte is as it was. A scalar in quotes keeps them. Texts that stand on
// several lines, aliases, and files in UTF-16 are refused, as is a value that would
// be read as something else.
func (t *Text) Edit(n *yaml.Node, value string) ([]byte, error) {
	if t.utf16 {
		return nil, fmt.Errorf("%s is UTF-16, and is not edited; write it again as UTF-8", t.Name)
	}
	at, err := t.offset(n)
	if err != nil {
		return nil, err
	}
	written := n.Value
	quote := ""
	switch n.Style &^ yaml.TaggedStyle {
	case 0:
	case yaml.SingleQuotedStyle:
		quote, written = "'", strings.ReplaceAll(n.Value, "'", "''")
	case yaml.DoubleQuotedStyle:
		quote = `"`
	default:
		return nil, fmt.Errorf("%s:%d:%d: a text of several lines cannot be edited in place", t.Name, n.Line, n.Column)
	}
	old := quote + written + quote
	if n.Kind != yaml.ScalarNode || n.Value == "" || !bytes.HasPrefix(t.src[at:], []byte(old)) {
		return nil, fmt.Errorf("%s:%d:%d: %s stands in a form that cannot be edited in place", t.Name, n.Line, n.Column, Describe(n))
	}
	var out bytes.Buffer
	out.Write(t.src[:at])
	out.WriteString(quote + value + quote)
	out.Write(t.src[at+len(old):])
	if err := isOne(quote+value+quote, value, n.Tag); err != nil {
		return nil, fmt.Errorf("%s:%d:%d: %w", t.Name, n.Line, n.Column, err)
	}
	return out.Bytes(), nil
}

// offset returns where n stands in src.
func (t *Text) offset(n *yaml.Node) (int, error) {
	start, rest := 0, t.src
	for range n.Line - 1 {
		end := lineBreak.FindIndex(rest)
		if end == nil {
			return 0, fmt.Errorf("%s has no line %d", t.Name, n.Line)
		}
		start, rest = start+end[1], rest[end[1]:]
	}
	if bytes.HasPrefix(rest, []byte(byteOrderMark)) {
		start, rest = start+len(byteOrderMark), rest[len(byteOrderMark):]
	}
	col := 1
	for i := range string(rest[:min(len(rest), 4*n.Column)]) {
		if col == n.Column {
			return start + i, nil
		}
		col++
	}
	return 0, fmt.Errorf("%s:%d has no column %d", t.Name, n.Line, n.Column)
}

// isOne returns an error unless written is read as the scalar value of tag, in
// brackets as well as outside.
func isOne(written, value, tag string) error {
	text, problems := Parse("", []byte("["+written+"]"), MaxFileSize)
	if len(problems) == 0 && len(text.Documents) == 1 {
		if l := text.Documents[0].Content; len(l) == 1 && l[0].Kind == yaml.ScalarNode && l[0].Tag == tag && l[0].Value == value && l[0].HeadComment+l[0].LineComment+l[0].FootComment == "" {
			return nil
		}
	}
	return fmt.Errorf("%q would be read as something else there", value)
}
