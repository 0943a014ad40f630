package source

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// An Edit is a scalar of a file and what it becomes.
type Edit struct {
	Value Value  // an existing scalar, of a document that [Documents] or [Value.Embedded] read
	Text  string // the new value, of the same type (a number stays a number)
}

// Replace returns src, from which the values of edits were read, with their scalars
// replaced. No other byte changes: comments, order, quotes and line ends stay. It
// returns an error if a scalar has more than one line or is an alias, or if the result
// does not read as src with the new values.
func Replace(src []byte, edits ...Edit) ([]byte, error) {
	type span struct {
		from, to int
		text     string
	}
	if _, isWide := wideOrder(src); isWide {
		return nil, errors.New("the file is UTF-16; write it as UTF-8 first")
	}
	var spans []span
	for _, e := range edits {
		from, to, text, err := e.span(src)
		if err != nil {
			return nil, fmt.Errorf("couldn't replace %s at %s: %w", e.Value.name, e.Value.at, err)
		}
		spans = append(spans, span{from, to, text})
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var out []byte
	copied := 0
	for _, s := range spans {
		if s.from < copied {
			return nil, errors.New("couldn't replace one scalar twice")
		}
		out = append(append(out, src[copied:s.from]...), s.text...)
		copied = s.to
	}
	out = append(out, src[copied:]...)
	if err := sameBut(src, out, edits); err != nil {
		return nil, err
	}
	return out, nil
}

// span returns where the scalar of e stands in src, in bytes, and what takes its place.
func (e Edit) span(src []byte) (from, to int, text string, err error) {
	if !e.Value.isScalarNode() {
		return 0, 0, "", fmt.Errorf("it is %s; expected a scalar", e.Value.Describe())
	}
	if from, to, err = e.Value.extent(src); err != nil {
		return 0, 0, "", err
	}
	switch style := e.Value.node.Style; {
	case style&yaml.DoubleQuotedStyle != 0:
		return from, to, doubleQuoted(e.Text), nil
	case style&yaml.SingleQuotedStyle != 0:
		if strings.ContainsFunc(e.Text, func(r rune) bool { return r < ' ' }) {
			return 0, 0, "", errors.New("it has more than one line")
		}
		return from, to, "'" + strings.ReplaceAll(e.Text, "'", "''") + "'", nil
	}
	text = e.Text
	if !isPlain(text, e.Value.node.Tag) || e.Value.node.Tag == "!!str" && isOldScalar(text) {
		text = doubleQuoted(text)
	}
	return from, to, text, nil
}

// offset returns the index in src of a place in it.
func offset(src []byte, at Place) (int, error) {
	i := 0
	for range at.line - 1 {
		loc := lineBreak.FindIndex(src[i:])
		if loc == nil {
			return 0, errors.New("the file has changed: the line is not there")
		}
		i += loc[1]
	}
	if at.line == 1 {
		i += len(src) - len(bytes.TrimPrefix(src, []byte(byteOrderMark)))
	}
	line := string(src[i:])
	if loc := lineBreak.FindStringIndex(line); loc != nil {
		line = line[:loc[0]]
	}
	line = strings.TrimPrefix(line, byteOrderMark) // behind "---"
	if i < len(src) && strings.HasPrefix(string(src[i:]), byteOrderMark) && at.line > 1 {
		i += len(byteOrderMark)
	}
	col := 1
	for j := range line {
		if col == at.col {
			return i + j, nil
		}
		col++
	}
	return 0, errors.New("the file has changed: the column is not there")
}

// closing returns the index behind the quote that ends s, which begins with one, or -1.
func closing(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote == '"':
			i++
		case s[i] == quote && quote == '\'' && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return -1
}

// isPlain reports whether text, written without quotes in any place, is a scalar with
// the tag.
func isPlain(text, tag string) bool {
	var doc yaml.Node
	if strings.ContainsAny(text, ",[]{}\"'\n") || yaml.Load([]byte("[ "+text+" ]"), &doc) != nil {
		return false
	}
	list := doc.Content[0].Content
	return len(list) == 1 && list[0].Kind == yaml.ScalarNode && list[0].Value == text && list[0].Tag == tag && list[0].HeadComment+list[0].LineComment+list[0].FootComment == ""
}

// doubleQuoted writes text in double quotes, as YAML and JSON read them alike.
func doubleQuoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// sameBut returns an error unless after reads as before with the values of edits, and
// nothing else.
func sameBut(before, after []byte, edits []Edit) error {
	was, problems := Documents("", before, MaxFileSize)
	is, more := Documents("", after, MaxFileSize)
	if err := errors.Join(problems.Err(), more.Err()); err != nil {
		return fmt.Errorf("the result would be unreadable: %w", err)
	}
	c := comparison{wanted: map[[2]int]string{}}
	for _, e := range edits {
		c.wanted[[2]int{e.Value.at.line, e.Value.at.col}] = e.Text
	}
	if len(was) != len(is) || !slices.EqualFunc(was, is, func(a, b *Document) bool { return c.same(a.node, b.node) }) || c.differ > len(edits) {
		return errors.New("the result would differ from what was asked for")
	}
	return nil
}

// A comparison is that of a file before and after edits.
type comparison struct {
	wanted map[[2]int]string // the new values, by line and column
	differ int               // scalars that differ
}

// same reports whether two trees have the same form, and scalars that are edited the
// new values. Of embedded texts, such as the rules in a ConfigMap, each counts for as
// many edits as it has lines that differ.
func (c *comparison) same(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Tag != b.Tag || len(a.Content) != len(b.Content) || a.Anchor != b.Anchor {
		return false
	}
	comments := func(n *yaml.Node) [3]string { return [3]string{n.HeadComment, n.LineComment, n.FootComment} }
	if !reflect.DeepEqual(comments(a), comments(b)) {
		return false
	}
	if text, edited := c.wanted[[2]int{a.Line, a.Column}]; edited && a.Kind == yaml.ScalarNode && b.Value != text {
		return false
	}
	if a.Value != b.Value {
		of, now := strings.Split(a.Value, "\n"), strings.Split(b.Value, "\n")
		if len(of) != len(now) {
			return false
		}
		for i := range of {
			if of[i] != now[i] {
				c.differ++
			}
		}
	}
	for i := range a.Content {
		if !c.same(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}
