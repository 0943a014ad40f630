package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/source"
)

// Load parses and compiles src, the content of the file called name. The Table
// is nil exactly when Problems holds an Error; warnings may accompany a Table.
func Load(name string, src []byte, o Options) (*Table, source.Problems) {
	return Compile(Parse(name, src), o)
}

// Parse reads the structure of a rules file: YAML (of which JSON is a part),
// either bare or as the spec.pluginConfig of a WasmPlugin manifest, and the
// ASMHeaderPropagation that may stand behind it. What it finds wrong is kept in the File and reported by [Compile], together with
// everything that is wrong with the meaning of the rest.
func Parse(name string, src []byte) *File {
	f := &File{Name: name, lines: lineBreak.Split(string(src), -1)}
	if len(src) > MaxFileSize {
		f.lines = nil
		f.problem(pos{}, source.KindTooLarge, fmt.Sprintf("the file has more than %d bytes (1 MiB), the most that is read", MaxFileSize))
		return f
	}
	if !utf8.Valid(src) {
		f.problem(invalidUTF8(src), source.KindEncoding, "the file is not valid UTF-8 text here; is it a binary file?")
		return f
	}
	docs, err := documents(src)
	if err != nil {
		f.syntaxError(err)
		return f
	}
	switch {
	case len(docs) == 0:
		f.problem(pos{}, source.KindEmpty, "the file is empty; a file that tags nobody says so with \"rules: []\"")
	case len(docs) > 1 && !isHeaderPropagation(docs[1]):
		f.problem(at(docs[1]), KindSeveralDocuments, "a second YAML document begins here; "+oneDocument)
	case len(docs) > 2:
		f.problem(at(docs[2]), KindSeveralDocuments, "a third YAML document begins here; "+oneDocument)
	default:
		d := decoder{file: f}
		d.root(docs[0])
		if len(docs) > 1 {
			d.headerPropagation(docs[1])
		}
	}
	return f
}

// oneDocument is what a rules file has, in messages.
const oneDocument = "a rules file is one document, behind which one ASMHeaderPropagation may stand: put the others into files of their own"

// documents returns the content of each YAML document that is not empty.
func documents(src []byte) ([]*yaml.Node, error) {
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
		if len(doc.Content) == 1 && !isNull(doc.Content[0]) {
			docs = append(docs, doc.Content[0])
		}
	}
}

// syntaxError notes an error of the YAML library at the place that it names.
func (f *File) syntaxError(err error) {
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		f.problem(pos{}, source.KindSyntax, err.Error())
		return
	}
	p := pos{le.Mark.Line, le.Mark.Column}
	if p.line == 0 { // the reader of characters has no lines yet
		p = f.controlCharacter()
	}
	// The mark of an unexpected end stands behind the last line.
	if p.line > len(f.lines) || p.line == len(f.lines) && f.lines[p.line-1] == "" && p.line > 1 {
		p = pos{p.line - 1, max(1, utf8.RuneCountInString(f.lines[p.line-2]))}
	}
	message := le.Message
	if le.ContextMsg != "" {
		message = le.ContextMsg + ": " + message
	}
	f.problem(p, source.KindSyntax, message+syntaxHint(le.Message, f.lines[:min(p.line, len(f.lines))]))
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
	case strings.Contains(message, "did not find expected"), strings.Contains(message, "could not find expected"):
		return "; check the indentation, quotes and brackets here and above"
	}
	return ""
}

// lineBreak is what ends a line in YAML 1.1, which the YAML library counts by.
var lineBreak = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

// controlCharacter returns the place of the first character that YAML does not
// allow, or that of the file as a whole.
func (f *File) controlCharacter() pos {
	for i, line := range f.lines {
		col := 1
		for _, r := range line {
			if r < ' ' && r != '\t' || r == 0x7f || 0x80 <= r && r < 0xa0 {
				return pos{i + 1, col}
			}
			col++
		}
	}
	return pos{}
}

// invalidUTF8 returns the place of the first byte of src that is not UTF-8.
func invalidUTF8(src []byte) pos {
	p := pos{1, 1}
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		switch {
		case r == utf8.RuneError && size == 1:
			return p
		case r == '\n':
			p = pos{p.line + 1, 1}
		default:
			p.col++
		}
		src = src[size:]
	}
	return p
}

func at(n *yaml.Node) pos { return pos{n.Line, n.Column} }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
