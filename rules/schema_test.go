package rules

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/source"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	src, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("rules.schema.json", src); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("rules.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemaFile holds the committed schema, which editors read.
func TestSchemaFile(t *testing.T) {
	t.Parallel()
	golden.Check(t, "../docs/rules.schema.json", string(Schema()))
}

// TestSchemaClauses checks that every key of the language is described, and that every
// clause is about one.
func TestSchemaClauses(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	var walk func(s *source.Shape)
	walk = func(s *source.Shape) {
		if s.Elements != nil {
			walk(s.Elements)
		}
		known[s.What+" "] = s.Type == source.ShapeMapping
		for _, f := range s.Fields {
			known[s.What+" "+f.Name] = true
			walk(f.Shape)
			if !slices.ContainsFunc(clauses, func(c clause) bool { return c.of == s.What && c.key == f.Name && c.about != "" }) {
				t.Errorf("the key %s of %s is not described", f.Name, s.What)
			}
		}
	}
	d := decoder{file: &File{}}
	walk(source.ShapeOf(func(v source.Value) { d.config(v, rulesFile) }))
	if len(d.Problems()) > 0 {
		t.Errorf("problems: %v", d.Problems())
	}
	const ignored = rulesFile + " debug"
	for _, c := range clauses {
		if at := c.of + " " + c.key; !known[at] && at != ignored {
			t.Errorf("there is a clause of %q, which no rules file has", at)
		}
	}
}

// asJSON returns the first document of a file as a validator takes it; ok is false where
// it is no document of the kind that editors validate.
func asJSON(name string, src []byte) (v any, ok bool) {
	docs, problems := source.Documents(name, src, MaxFileSize)
	if len(problems) > 0 || len(docs) == 0 {
		return nil, false
	}
	if err := docs[0].Decode(&v); err != nil {
		return nil, false
	}
	return plain(v), true
}

// plain returns what YAML makes of a text as what JSON has.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
		return v
	case map[any]any:
		m := map[string]any{}
		for k, e := range v {
			m[fmt.Sprint(k)] = plain(e)
		}
		return m
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	default:
		return v
	}
}

// TestSchemaGood checks that every good file validates that stands in no envelope: the
// schema is of rules, and an editor knows by its kind what a manifest is.
func TestSchemaGood(t *testing.T) {
	t.Parallel()
	s := compiledSchema(t)
	files, err := filepath.Glob("testdata/ok/*")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../deploy/*/*rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	validated := 0
	for _, file := range append(files, more...) {
		if filepath.Ext(file) == ".out" {
			continue
		}
		v, ok := asJSON(file, read(t, file))
		if !ok {
			t.Errorf("%s is no document", file)
			continue
		}
		if m, is := v.(map[string]any); is && m["kind"] != nil {
			continue
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%s: %#v", file, err)
		}
		validated++
	}
	for _, b := range fence.FindAllStringSubmatch(string(read(t, "../docs/rules.md")), -1) {
		v, ok := asJSON("docs/rules.md", []byte(b[2]))
		if m, is := v.(map[string]any); b[1] != "yaml" || is && m["kind"] != nil {
			continue
		}
		if err := s.Validate(v); !ok || err != nil {
			t.Errorf("docs/rules.md: %v\n%s", err, b[2])
		}
		validated++
	}
	if validated < 50 {
		t.Errorf("%d files are validated, want all that are no manifests", validated)
	}
}

// inexpressible are the kinds of problems that a file may have and validate.
var inexpressible = map[source.Kind]string{
	KindSeveralDocuments:  "a schema sees one document at a time",
	KindEnvelope:          "the manifest stands in a second document",
	KindKeyIsTag:          "two values are compared",
	KindUndeclaredTag:     "two values are compared",
	KindTooManyTagHeaders: "different names are counted, in whatever rules they stand",
	KindPropagation:       "names are compared with those of tagHeaders",
}

// inexpressibleFiles have a problem that no schema can express, although it can express
// other problems of that kind.
var inexpressibleFiles = map[string]string{
	"forbidden-host":          "forbidden names are listed in lower case, as they are written",
	"forbidden-owned-prefix":  "beginnings are compared with forbidden names",
	"override-twice":          "two overrides are compared",
	"range-over-modulo":       "the range is compared with the modulo",
	"range-over-small-modulo": "the range is compared with the modulo",
	"warning-beside-error":    "the range is compared with the modulo",
	"type-modulo-hex":         "a number has lost how it is written",
	"type-range-float":        "a number has lost how it is written",
	"type-range-octal":        "a number has lost how it is written",
	"type-trust-tagged":       "a value has lost its YAML tag",
	"unknown-key-tagged":      "a key has lost its YAML tag",
}

// TestSchemaBad checks that every bad file is refused by the schema too, except those
// whose fault it cannot express. Those that are no YAML never come so far.
func TestSchemaBad(t *testing.T) {
	t.Parallel()
	s := compiledSchema(t)
	files, err := filepath.Glob("testdata/err/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	refused, kinds := 0, map[source.Kind]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		src := read(t, file)
		v, ok := asJSON(file, src)
		if !ok {
			continue
		}
		if s.Validate(v) != nil {
			refused++
			if inexpressibleFiles[name] != "" {
				t.Errorf("%s is refused, and listed as inexpressible", name)
			}
			continue
		}
		if inexpressibleFiles[name] != "" {
			continue
		}
		_, problems := Load(file, src, Options{})
		for _, p := range problems {
			if p.Severity != source.Error {
				continue
			}
			kinds[p.Kind] = true
			if inexpressible[p.Kind] == "" {
				t.Errorf("%s validates: %s", name, p)
			}
		}
	}
	for k := range inexpressible {
		if !kinds[k] {
			t.Errorf("no file validates with a problem of the kind %s", k)
		}
	}
	if refused < 100 {
		t.Errorf("%d files are refused, want most", refused)
	}
}
