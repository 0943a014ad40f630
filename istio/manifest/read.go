package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// MaxFileSize is the largest file that is read, in bytes.
const MaxFileSize = 64 << 20

// Kinds of problems that manifests have and rules files have not.
const (
	KindNotMapping source.Kind = "not-a-mapping" // a document that is a list or a text
	KindNoName     source.Kind = "no-name"       // an object without metadata.name, nor generateName
)

// lineBreak is what ends a line in YAML 1.1, which the YAML library counts by.
var lineBreak = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

// Read returns the documents of src, the content of the file called name: YAML
// or JSON, several documents, and the items of a List each as one. Empty
// documents are left out. Documents that can be read come also where problems
// make others unusable, and objects without a name beside the problem that says so.
// Of a key that an object has twice the last one counts, as it does to kubectl;
// a file that is not YAML has none.
func Read(name string, src []byte) ([]*Document, source.Problems) {
	file := &lines{name: name}
	if len(src) > MaxFileSize {
		return nil, source.Problems{file.problem(0, 0, source.Error, source.KindTooLarge,
			fmt.Sprintf("the file has more than %d MiB, the most that is read", MaxFileSize>>20))}
	}
	file.text = lineBreak.Split(string(src), -1)
	loader, err := yaml.NewLoader(bytes.NewReader(src))
	if err != nil {
		return nil, source.Problems{file.problem(0, 0, source.Error, source.KindSyntax, err.Error())}
	}
	r := reader{file: file}
	for {
		var doc yaml.Node
		switch err := loader.Load(&doc); {
		case errors.Is(err, io.EOF):
			return r.documents, r.problems
		case err != nil:
			return nil, source.Problems{file.syntax(err)}
		case len(doc.Content) == 1:
			r.document(doc.Content[0])
		}
	}
}

type reader struct {
	file      *lines
	documents []*Document
	problems  source.Problems
}

func (r *reader) document(n *yaml.Node) {
	if n.Tag == "!!null" {
		return
	}
	first, last := r.file.extent(n)
	if child(n, "kind") != nil { // rules and lanes files have a grammar that tells
		r.keepLast(n, true)
	}
	r.object(n, extent{first, last, 1})
}

func (r *reader) object(n *yaml.Node, e extent) {
	if n.Kind != yaml.MappingNode {
		r.problems = append(r.problems, r.file.problem(n.Line, n.Column, source.Error, KindNotMapping,
			"expected a mapping, as an object of Kubernetes and a rules file are"))
		return
	}
	d := &Document{File: r.file.name, root: n, file: r.file, extent: e}
	d.APIVersion, d.Kind = d.Text("apiVersion"), d.Text("kind")
	if items := d.Node("items"); strings.HasSuffix(d.Kind, "List") && items != nil {
		for i, item := range items.Content {
			r.object(resolve(item), e.ofItem(n, items, i))
		}
		return
	}
	d.Namespace, d.Name = d.Text("metadata", "namespace"), d.Text("metadata", "name")
	if labels := d.Node("metadata", "labels"); labels != nil {
		_ = labels.Decode(&d.Labels) // labels that are none are a matter of the API server
	}
	if d.Kind != "" && d.Name == "" && d.Node("metadata", "generateName") == nil {
		r.problems = append(r.problems, d.Problem(source.Error, KindNoName,
			fmt.Sprintf("this %s has no metadata.name", d.Kind), "metadata"))
	}
	r.documents = append(r.documents, d)
}

// An extent is the lines that a document has in its file, and the column at which
// the first of them begins to be its own.
type extent struct{ first, last, col int }

// ofItem returns the extent of an item of the List n. Items in brackets may share
// lines with others, and aliases stand elsewhere: they have that of the List.
func (e extent) ofItem(n, items *yaml.Node, i int) extent {
	item := items.Content[i]
	if items.Style&yaml.FlowStyle != 0 || item.Kind != yaml.MappingNode || item.Style&yaml.FlowStyle != 0 || item.Line < e.first || e.last < item.Line {
		return e
	}
	of := extent{item.Line, e.last, item.Column}
	for _, next := range append([]*yaml.Node{keyBehind(n, items)}, items.Content[i+1:min(i+2, len(items.Content))]...) {
		if next != nil && item.Line < next.Line {
			of.last = min(of.last, next.Line-1)
		}
	}
	return of
}

// keyBehind returns the key that follows value in the mapping n, or nil.
func keyBehind(n, value *yaml.Node) *yaml.Node {
	for i := 1; i+1 < len(n.Content); i += 2 {
		if resolve(n.Content[i]) == value {
			return n.Content[i+1]
		}
	}
	return nil
}

// lines is the text of a file, for places in it.
type lines struct {
	name string
	text []string
}

// problem returns a problem of a line and column; line 0 is the whole file.
func (l *lines) problem(line, col int, s source.Severity, k source.Kind, message string) source.Problem {
	p := source.Problem{File: l.name, Line: line, Col: col, Severity: s, Kind: k, Message: message}
	if 0 < line && line <= len(l.text) && len(l.text[line-1]) <= maxSource {
		p.Source = strings.TrimSuffix(l.text[line-1], "\r")
	}
	return p
}

// maxSource is the longest line that is shown with a problem, in bytes. JSON may
// be a single line.
const maxSource = 500

// syntax returns an error of the YAML library as the rules language tells it:
// where it is, and what the usual cause is.
func (l *lines) syntax(err error) source.Problem {
	_, problems := rules.Load(l.name, []byte(strings.Join(l.text, "\n")), rules.Options{})
	for _, p := range problems {
		if p.Kind == source.KindSyntax || p.Kind == source.KindEncoding {
			return p
		}
	}
	return l.problem(0, 0, source.Error, source.KindSyntax, err.Error())
}

// extent returns the first and the last line of the document that n is, both
// without the markers around it.
func (l *lines) extent(n *yaml.Node) (first, last int) {
	first, last = n.Line, n.Line
	for first > 1 && !isMarker(l.text[first-2]) {
		first--
	}
	for last < len(l.text) && !isMarker(l.text[last]) {
		last++
	}
	return first, last
}

// isMarker reports whether a line begins or ends a document.
func isMarker(line string) bool {
	return strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...")
}
