package rules

import (
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
// ASMHeaderPropagation that may stand behind it. What it finds wrong is kept in
// the File and reported by [Compile], together with everything that is wrong with
// the meaning of the rest.
func Parse(name string, src []byte) *File {
	text, problems := source.Parse(name, src, MaxFileSize)
	f := &File{Name: name, text: text, problems: problems, errors: len(problems)}
	if len(problems) > 0 {
		return f
	}
	switch docs := text.Documents; {
	case len(docs) == 0:
		f.problem(pos{}, source.KindEmpty, "the file is empty; a file that tags nobody says so with \"rules: []\"")
	case len(docs) > 1 && !isHeaderPropagation(docs[1]):
		f.problem(at(docs[1]), KindSeveralDocuments, "a second YAML document begins here; "+oneDocument)
	case len(docs) > 2:
		f.problem(at(docs[2]), KindSeveralDocuments, "a third YAML document begins here; "+oneDocument)
	default:
		f.decode(docs)
	}
	return f
}

// Of returns the rules file that a document is, and behind it the
// ASMHeaderPropagation that the next one is perhaps, as [Parse] does for a file.
func Of(d *source.Document, propagation *source.Document) *File {
	f := &File{Name: d.File, text: d.Source()}
	docs := []*yaml.Node{d.Root()}
	if propagation != nil {
		docs = append(docs, propagation.Root())
	}
	f.decode(docs)
	return f
}

// Text returns the text that the file was read from.
func (f *File) Text() *source.Text { return f.text }

// decode reads a document, and an ASMHeaderPropagation behind it.
func (f *File) decode(docs []*yaml.Node) {
	d := decoder{file: f}
	d.root(docs[0])
	if len(docs) > 1 {
		d.headerPropagation(docs[1])
	}
}

// oneDocument is what a rules file has, in messages.
const oneDocument = "a rules file is one document, behind which one ASMHeaderPropagation may stand: put the others into files of their own"

func at(n *yaml.Node) pos { return pos{n.Line, n.Column} }

func isNull(n *yaml.Node) bool { return source.IsNull(n) }
