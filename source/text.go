package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// MaxFileSize is the largest text that [Read] takes, in bytes.
const MaxFileSize = 64 << 20

// A Text is the content of a file: its YAML documents, and its lines for places in
// them. Lines and columns of nodes are those of the file.
type Text struct {
	Name      string       // of the file, for messages
	Documents []*yaml.Node // the root of each document that is not empty
	Whole     []*yaml.Node // each of Documents with the comments around it

	src   []byte // in UTF-8, otherwise as it came
	utf16 bool   // it came in UTF-16
	lines []string
}

// Parse reads src, the content of the file called name, of at most limit bytes.
// Problems hold one Error where src cannot be read; then there are no documents.
func Parse(name string, src []byte, limit int) (*Text, Problems) {
	t := &Text{Name: name}
	if len(src) > limit {
		return t, Problems{t.Problem(0, 0, Error, KindTooLarge, fmt.Sprintf("the file has more than %d MiB, the most that is read", limit>>20))}
	}
	var why string
	given := src
	if src, why = utf8Of(src); why != "" {
		return t, Problems{t.Problem(0, 0, Error, KindEncoding, why)}
	}
	t.utf16 = len(src) > 0 && &src[0] != &given[0]
	t.src, t.lines = src, lineBreak.Split(string(src), -1)
	if !utf8.Valid(src) {
		line, col := invalidUTF8(src)
		return t, Problems{t.Problem(line, col, Error, KindEncoding, "the file is not valid UTF-8 text here; is it a binary file?")}
	}
	c := newCleaner(src, t.lines)
	if c.strayMark > 0 {
		return t, Problems{t.Problem(c.strayMark, 1, Error, KindSyntax,
			`a byte order mark stands in the middle of a document, as where files are joined; is a "---" missing before this line?`)}
	}
	docs, err := load(c.text())
	for retries := 0; err != nil && retries < maxRetries && c.joins(err); retries++ {
		docs, err = load(c.text())
	}
	if err != nil {
		return t, Problems{t.syntaxError(err, c)}
	}
	for _, d := range docs {
		c.restore(d)
		t.Documents = append(t.Documents, d.Content[0])
	}
	t.Whole = docs
	return t, nil
}

// Bytes returns the text in UTF-8.
func (t *Text) Bytes() []byte { return t.src }

// Lines returns the lines of the text, without what ends them.
func (t *Text) Lines() []string { return t.lines }

// Problem returns a problem of a line and column, from 1; line 0 is the whole file.
func (t *Text) Problem(line, col int, s Severity, k Kind, message string) Problem {
	p := Problem{File: t.Name, Line: line, Col: col, Severity: s, Kind: k, Message: message}
	if 0 < line && line <= len(t.lines) {
		p.Source = shownLine(t.lines[line-1], col)
	}
	return p
}

// maxSource bounds what is shown of a line, in bytes: a file in JSON may be a
// single line, which would be shown for each of its problems.
const maxSource = 500

// shownLine returns what is shown of a line for a problem in its column col, which
// is "" where the column is too far to the right.
func shownLine(line string, col int) string {
	if len(line) <= maxSource {
		return line
	}
	if col > maxSource {
		return ""
	}
	return strings.ToValidUTF8(line[:maxSource], "") + "…"
}

// load returns each YAML document that is not empty.
func load(src []byte) ([]*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	var docs []*yaml.Node
	for {
		var doc yaml.Node
		err := loader.Load(&doc)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, err
		}
		if len(doc.Content) == 1 && !IsNull(doc.Content[0]) {
			docs = append(docs, &doc)
		}
	}
}

// syntaxError returns an error of the YAML library as a problem at the place that
// it names.
func (t *Text) syntaxError(err error, c *cleaner) Problem {
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return t.Problem(0, 0, Error, KindSyntax, err.Error())
	}
	line, col := le.Mark.Line, c.column(le.Mark.Line, le.Mark.Column)
	if line == 0 { // the reader of characters has no lines yet
		line, col = t.controlCharacter()
	}
	// The mark of an unexpected end stands behind the last line.
	if line > len(t.lines) || line == len(t.lines) && t.lines[line-1] == "" && line > 1 {
		line, col = line-1, max(1, utf8.RuneCountInString(t.lines[line-2]))
	}
	message := le.Message
	if le.ContextMsg != "" {
		message = le.ContextMsg + ": " + message
	}
	return t.Problem(line, col, Error, KindSyntax, message+syntaxHint(le.Message, t.lines[:min(line, len(t.lines))]))
}

// syntaxHint returns the usual cause of an error of the YAML library in the last
// of lines, or "".
func syntaxHint(message string, lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	last := lines[len(lines)-1]
	switch indent := last[:len(last)-len(strings.TrimLeft(last, " \t-"))]; {
	case strings.Contains(indent, "\t"):
		return "; this line is indented by a tab, and YAML takes spaces"
	case strings.Contains(message, "mapping values are not allowed"):
		return "; a text with a colon and a space in it needs quotes"
	case strings.Contains(message, "incompatible YAML document"):
		return "; remove the line: versions 1.x are read"
	case strings.Contains(message, "invalid Unicode character escape"):
		return "; write the character itself, or a \\ud83d with its second half behind it"
	case strings.Contains(message, "did not find expected"), strings.Contains(message, "could not find expected"):
		return "; check the indentation, quotes and brackets here and above"
	}
	return ""
}

// lineBreak is what ends a line in YAML 1.1, which the YAML library counts by.
var lineBreak = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

// controlCharacter returns the place of the first character that YAML does not
// allow, or that of the file as a whole.
func (t *Text) controlCharacter() (line, col int) {
	for i, line := range t.lines {
		col := 1
		for _, r := range line {
			if r < ' ' && r != '\t' || r == 0x7f || 0x80 <= r && r < 0xa0 {
				return i + 1, col
			}
			col++
		}
	}
	return 0, 0
}

// invalidUTF8 returns the place of the first byte of src that is not UTF-8.
func invalidUTF8(src []byte) (line, col int) {
	line, col = 1, 1
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		switch {
		case r == utf8.RuneError && size == 1:
			return line, col
		case r == '\n':
			line, col = line+1, 1
		default:
			col++
		}
		src = src[size:]
	}
	return line, col
}
