package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxDepth bounds how deep values stand in each other: far deeper than any manifest,
// and shallow enough for every recursion.
const maxDepth = 200

// A text may have as many signs that values begin with as an eighth of its limit in bytes,
// but not fewer than leastSigns and not more than mostSigns. The worst text of a rules
// file then takes about 200 MiB, and the worst of manifests some gigabytes.
const (
	leastSigns = 1 << 17
	mostSigns  = 4_000_000
)

// Documents returns the documents of src, the content of the file called name: YAML
// or JSON, one or several. Empty documents are left out. It reads what kubectl's
// reader does: a byte order mark at the head of each document, "%YAML 1.2", and JSON
// with escaped surrogate pairs included, and UTF-16. There are none exactly where src is
// empty or a problem is returned: that src has more than limit bytes, more values than
// so much memory is for, is not text, or not YAML. No document is left out in
// silence.
func Documents(name string, src []byte, limit int) ([]*Document, Problems) {
	t := &Text{Name: name}
	if len(src) > limit {
		return nil, Problems{t.Whole().Problem(Error, KindTooLarge, fmt.Sprintf("the file has more than %d bytes (%d MiB), the most that is read", limit, limit>>20))}
	}
	text, why := utf8Of(src)
	if why != "" {
		return nil, Problems{t.Whole().Problem(Error, KindEncoding, why)}
	}
	if p, wrong := t.encoding(text); wrong {
		return nil, Problems{p}
	}
	if n, most := signs(text), min(max(limit/8, leastSigns), mostSigns); n > most {
		return nil, Problems{t.Whole().Problem(Error, KindTooLarge, fmt.Sprintf("the file has too many values: of the signs that they begin with it has %d, and %d are the most that is read", n, most))}
	}
	return t.documents(text)
}

// signs returns how often src has what stands before a value: a comma, a bracket, a
// colon, a dash or a question mark. A value takes hundreds of bytes, however short it is,
// and every one but the first has such a sign, or half a one in {a, b}. Texts have some
// too, which does not matter: they have fewer.
func signs(src []byte) (n int) {
	for i, c := range src {
		switch c {
		case ',', '[', '{':
			n++
		case ':', '-', '?':
			if i+1 == len(src) || src[i+1] <= ' ' || src[i+1] >= 0x80 || src[i+1] == '-' || c == ':' && i > 0 && src[i-1] == '"' {
				n++
			}
		}
	}
	return n
}

// Plain returns src in UTF-8 without a byte order mark at its head: what the places of
// its documents are counted in. Src is one that [Documents] takes.
func Plain(src []byte) []byte {
	text, _ := utf8Of(src)
	return bytes.TrimPrefix(text, []byte(byteOrderMark))
}

// Embedded returns the documents of a text that stands in a scalar, such as the rules
// in a ConfigMap. Where each of its lines is one of the file, as in a literal block
// (|), everything stands where it stands in the file, and exact says so; else it is
// at the scalar's own line.
func (v Value) Embedded() (docs []*Document, problems Problems, exact bool) {
	t := &Text{Name: v.text.Name, lines: v.text.lines}
	if v.node == nil || v.node.Kind != yaml.ScalarNode {
		return nil, nil, false
	}
	if t.shift, exact = v.block(); exact {
		docs, problems = t.documents([]byte(v.node.Value))
		return docs, problems, true
	}
	folded := ""
	if v.node.Style&yaml.FoldedStyle != 0 {
		folded = "; > joins the lines of the text: write |"
	}
	own := &Text{Name: v.text.Name}
	docs, problems = own.documents([]byte(v.node.Value))
	for i, p := range problems {
		problems[i] = v.Problem(p.Severity, p.Kind, fmt.Sprintf("in line %d of this text: %s%s", p.Line, p.Message, folded))
	}
	return docs, problems, false
}

// block returns where the lines of a literal block begin in the file. It is not ok
// where they are not those of the value.
func (v Value) block() (s shift, ok bool) {
	if v.node.Style&yaml.LiteralStyle == 0 {
		return shift{}, false
	}
	s = shift{lines: v.node.Line + v.text.shift.lines, cols: -1}
	for i, line := range strings.Split(strings.TrimRight(v.node.Value, "\n"), "\n") {
		if s.lines+i >= len(v.text.lines) {
			return shift{}, false
		}
		whole := strings.TrimSuffix(v.text.lines[s.lines+i], "\r")
		indent, own := strings.CutSuffix(whole, line)
		if !own || strings.TrimSpace(indent) != "" {
			return shift{}, false
		}
		if line != "" && s.cols < 0 {
			s.cols = len(indent)
		}
	}
	s.cols = max(0, s.cols)
	return s, true
}

func (t *Text) documents(src []byte) ([]*Document, Problems) {
	lines := lineBreak.Split(string(src), -1)
	if t.lines == nil {
		t.lines = lines
	}
	c := newCleaner(src, lines)
	if c.strayMark > 0 {
		return nil, Problems{t.shifted(Place{t, c.strayMark, 1}).Problem(Error, KindSyntax,
			`a byte order mark is in the middle of a document, as where files were joined; is a "---" missing before this line?`)}
	}
	roots, err := load(c.text())
	for retries := 0; err != nil && retries < maxRetries && c.joins(err); retries++ {
		roots, err = load(c.text())
	}
	if err != nil {
		return nil, Problems{t.syntax(err, c)}
	}
	var docs []*Document
	for _, root := range roots {
		c.restore(root)
		if p := t.shape(root.Content[0], nil); p != nil {
			return nil, Problems{*p}
		}
		d := newDocument(t, root.Content[0])
		d.around = root
		docs = append(docs, d)
	}
	return docs, nil
}

// load returns each document that is not empty.
func load(src []byte) ([]*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	var docs []*yaml.Node
	for {
		var doc yaml.Node
		switch err := loader.Load(&doc); {
		case errors.Is(err, io.EOF):
			return docs, nil
		case err != nil:
			return nil, err
		}
		if len(doc.Content) == 1 && !isNull(doc.Content[0]) {
			docs = append(docs, &doc)
		}
	}
}

// shape returns what is wrong with the form of n, which stands in others: that it is
// too deep, or has an alias of something that it stands in.
func (t *Text) shape(n *yaml.Node, in []*yaml.Node) *Problem {
	var p Problem
	switch {
	case len(in) > maxDepth:
		p = t.node(n).Problem(Error, KindTooLarge, fmt.Sprintf("values are nested more than %d deep, the most that is read", maxDepth))
		return &p
	case n.Kind == yaml.AliasNode && slices.Contains(in, n.Alias):
		p = t.node(n).Problem(Error, KindAliases, fmt.Sprintf("the alias *%s is inside the value that it refers to; write the value out", Shorten(n.Value)))
		return &p
	}
	in = append(in, n)
	for _, c := range n.Content {
		if p := t.shape(c, in); p != nil {
			return p
		}
	}
	return nil
}

// syntax is an error of the YAML library at the place that it names.
func (t *Text) syntax(err error, c *cleaner) Problem {
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return t.Whole().Problem(Error, KindSyntax, err.Error())
	}
	p := Place{t, le.Mark.Line, c.column(le.Mark.Line, le.Mark.Column)}
	if p.line == 0 { // the reader of characters has no lines yet
		p = t.controlCharacter()
	} else {
		p = t.shifted(p)
	}
	// The mark of an unexpected end stands behind the last line.
	if n := len(t.lines); p.line > n || p.line == n && t.lines[n-1] == "" && p.line > 1 {
		p = Place{t, p.line - 1, max(1, utf8.RuneCountInString(t.lines[min(p.line, n+1)-2]))}
	}
	message := le.Message
	if le.ContextMsg != "" {
		message = le.ContextMsg + ": " + message
	}
	hint := ""
	if p.line > 0 {
		before := ""
		if p.line > 1 {
			before = t.lines[p.line-2]
		}
		hint = syntaxHint(le.Message, before, t.lines[p.line-1])
	}
	return p.Problem(Error, KindSyntax, message+hint)
}

// The usual slips in a line: a space is missing behind a dash, or a colon; JSON follows JSON.
var (
	noBlankBehindDash  = regexp.MustCompile(`^ *-[A-Za-z][\w-]*:( |$)`)
	noBlankBehindColon = regexp.MustCompile(`^ *(- )* *[A-Za-z]\w*:[^\s:/]`)
	jsonBackToBack     = regexp.MustCompile(`}\s*{`)
)

// syntaxHint returns the usual cause of an error of the YAML library in a line behind
// another, or "".
func syntaxHint(message, before, line string) string {
	switch indent := line[:len(line)-len(strings.TrimLeft(line, " \t-"))]; {
	case strings.Contains(indent, "\t"):
		return "; a tab indents this line, and YAML takes spaces"
	case hasWideSpace(line), hasWideSpace(before):
		return "; a no-break space or the like is in this line or the one above, as text copied from a web page has it: write plain spaces"
	case strings.Contains(message, "expected <document start>") && (jsonBackToBack.MatchString(line) || strings.HasPrefix(line, "{")):
		return "; a second object of JSON follows the first: put a line \"---\" between them, or both into the items of a List"
	case noBlankBehindDash.MatchString(line), noBlankBehindDash.MatchString(before):
		return `; write a space behind the "-" of a list`
	case noBlankBehindColon.MatchString(line), noBlankBehindColon.MatchString(before):
		return `; write a space behind the ":" of a key`
	case strings.Contains(message, "mapping values are not allowed"):
		return "; check the indentation, or put a text with a colon and a space in it into quotes"
	case strings.Contains(message, "incompatible YAML document"):
		return "; remove the line: versions 1.x are read"
	case strings.Contains(message, "invalid Unicode character escape"):
		return "; write the character itself, or both halves of it, such as \\ud83d\\ude00"
	case strings.Contains(message, "did not find expected"), strings.Contains(message, "could not find expected"):
		return "; check the indentation, quotes and brackets here and above"
	}
	return ""
}

// hasWideSpace reports whether a line has a space that YAML takes for a letter.
func hasWideSpace(line string) bool {
	return strings.ContainsFunc(line, func(r rune) bool { return r > 0x7f && unicode.Is(unicode.Zs, r) })
}

// shifted returns a place of a text in the one that it stands in.
func (t *Text) shifted(p Place) Place {
	return Place{t, p.line + t.shift.lines, p.col + t.shift.cols}
}

// node returns the place of a node.
func (t *Text) node(n *yaml.Node) Place { return t.shifted(Place{t, n.Line, n.Column}) }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
