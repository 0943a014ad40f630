package wasmplugin

import (
	"bytes"
	"errors"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A Conversion is a manifest as a rules file.
type Conversion struct {
	Rules    []byte // the rules file
	Digest   string // its meaning, which is that of the manifest as tagproc reads it
	Manifest bool   // what was converted is a manifest, not a rules file
	Changed  bool   // Rules is not what was converted, byte by byte
	Inferred bool   // what the manifest means is inferred: to be compared before a switch
	Notes    []Note // what Rules has not, in the order of the manifest
}

// Convert makes a rules file of src, the content of the file called name: a
// WasmPlugin manifest, or its pluginConfig alone, and the ASMHeaderPropagation
// that may stand behind it. The text of the rules stays as it is, comments
// included. What is added is a declaration of the tag headers, unless there is
// one: those of o, else those of the rules; and what the ASMHeaderPropagation
// says.
//
// A rules file that declares its tag headers comes out as it went in. The
// Conversion is nil exactly when Problems, those of [rules.Load], hold an Error.
func Convert(name string, src []byte, o rules.Options) (*Conversion, source.Problems) {
	docs, problems := source.Documents(name, src, rules.MaxFileSize)
	if len(problems) > 0 {
		return nil, problems
	}
	table, problems := rules.Compile(rules.Parse(name, docs), o)
	if table == nil {
		return nil, problems
	}
	if text, in := embedded(docs[0]); text.Exists() {
		return convertText(name, in, text, o, problems)
	}
	m := read(src, docs)
	c := &Conversion{Digest: table.Digest(), Manifest: m.key != nil, Inferred: m.key != nil && m.kind == rules.HashTagging}
	declaration, err := declare(m, table, o)
	if err != nil {
		return nil, append(problems, impossible(name, err))
	}
	if !c.Manifest && declaration == "" {
		c.Rules = src
		return c, problems
	}
	c.Changed = true
	for _, write := range []func() ([]string, error){m.lift, m.rewrite} {
		var lines []string
		if lines, err = write(); err != nil {
			continue
		}
		c.Rules = m.file(lines, declaration)
		if err = means(c.Rules, c.Digest); err == nil {
			c.Notes = m.notes(c.Rules)
			return c, problems
		}
	}
	return nil, append(problems, impossible(name, err))
}

// means returns an error unless src is a rules file with the digest.
func means(src []byte, digest string) error {
	table, problems := rules.Load("the rules file", src, rules.Options{})
	if table == nil {
		return problems.Err()
	}
	if table.Digest() != digest {
		return errors.New("the rules file would have another meaning")
	}
	return nil
}

// impossible is the problem of a manifest that tagproc understands and cannot
// write in another form.
func impossible(name string, err error) source.Problem {
	return source.Problem{
		File: name, Kind: rules.KindEnvelope,
		Message: "this cannot be converted, although it can be served as it is; write what stands under pluginConfig into a file of its own: " + oneLine(err.Error()),
	}
}

// A manifest is what is read of src, which [rules.Load] accepts.
type manifest struct {
	src    []byte
	doc    *yaml.Node   // the document, with the comments around it
	root   *yaml.Node   // the mapping that is the manifest, or the rules
	keys   []*yaml.Node // the keys that lead to the rules, from spec on
	spec   *yaml.Node   // the key spec; nil in a bare file
	key    *yaml.Node   // the key pluginConfig; nil in a bare file
	next   *yaml.Node   // the first key behind the value of key, or nil
	config *yaml.Node   // the mapping with the rules
	kind   string       // of the object that holds the rules

	propagation *yaml.Node // the ASMHeaderPropagation behind it, or nil
}

// read reads src, whose documents are docs.
func read(src []byte, docs []*source.Document) *manifest {
	m := &manifest{src: source.Plain(src), doc: docs[0].Around(), root: docs[0].Node()}
	if len(docs) > 1 {
		m.propagation = docs[1].Node()
	}
	m.find(docs[0])
	return m
}

// find finds the rules in the document.
func (m *manifest) find(d *source.Document) {
	if d.Kind == "List" { // with one manifest, as rules.Load takes it
		d = source.Items(d.Get("items"))[0]
		m.root = d.Node()
	}
	m.config, m.kind = m.root, d.Kind
	for _, name := range rules.PathIn(d) {
		i := source.Index(m.config, name)
		if i+2 < len(m.config.Content) {
			m.next = m.config.Content[i+2]
		}
		m.keys = append(m.keys, m.config.Content[i])
		m.config = source.Resolve(m.config.Content[i+1])
	}
	if len(m.keys) > 0 {
		m.spec, m.key = m.keys[0], m.keys[len(m.keys)-1]
	}
}

// file puts a rules file together: the comments that stood around the rules, and
// lines, which are the rules, with the declaration above their first key.
func (m *manifest) file(lines []string, declaration string) []byte {
	var out bytes.Buffer
	for _, comment := range m.above() {
		out.WriteString(comment + "\n\n")
	}
	first := slices.IndexFunc(lines, func(l string) bool { return !isBlank(l) && !isComment(l) && !isMarker(l) })
	for first > 0 && isComment(lines[first-1]) {
		first--
	}
	for i, l := range lines {
		if i == first {
			out.WriteString(declaration)
		}
		out.WriteString(l)
	}
	kept := keptIn(out.Bytes())
	for _, comment := range m.below() {
		if !kept[comment] {
			out.WriteString(comment + "\n")
		}
	}
	return out.Bytes()
}
