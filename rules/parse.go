package rules

import (
	"github.com/tagproc/tagproc/source"
)

// Load parses and compiles src, the content of the file called name. The Table
// is nil exactly when Problems holds an Error; warnings may accompany a Table.
func Load(name string, src []byte, o Options) (*Table, source.Problems) {
	docs, problems := source.Documents(name, src, MaxFileSize)
	if len(problems) > 0 {
		return nil, problems
	}
	return Compile(Parse(name, docs), o)
}

// Parse reads the structure of a rules file, which is the documents docs of the file
// called name: the rules, bare, in a manifest of a hash tagging plug-in, in a ConfigMap,
// or in a List with one of these; behind them an ASMHeaderPropagation may stand. What it
// finds wrong is kept in the File and reported by [Compile], together with everything
// that is wrong with the meaning of the rest.
func Parse(name string, docs []*source.Document) *File {
	whole := (&source.Text{Name: name}).Whole()
	if len(docs) > 0 {
		whole = docs[0].Place().Whole()
	}
	d := decoder{file: &File{Name: name, whole: whole}}
	d.documents(source.Value{}, docs)
	d.file.report, d.file.cut = d.Report, d.Spent()
	return d.file
}

// oneDocument is what a rules file has, in messages.
const oneDocument = "a rules file has one document, and one ASMHeaderPropagation may follow it: put others into files of their own"

// documents reads the documents of a file, or of the text of a ConfigMap, in.
func (d *decoder) documents(in source.Value, docs []*source.Document) {
	switch {
	case len(docs) == 0:
		at := d.file.whole
		if !in.IsZero() {
			at = in.Place()
		}
		d.Add(at.Problem(source.Error, source.KindEmpty, "the file is empty; a file that tags nobody says \"rules: []\""))
	case len(docs) > 1 && docs[1].Kind != headerPropagation:
		d.Add(docs[1].Problem(source.Error, KindSeveralDocuments, "a second YAML document begins here; "+oneDocument))
	case len(docs) > 2:
		d.Add(docs[2].Problem(source.Error, KindSeveralDocuments, "a third YAML document begins here; "+oneDocument))
	default:
		d.open(docs[0])
		if len(docs) > 1 {
			d.headerPropagation(docs[1])
		}
	}
}
