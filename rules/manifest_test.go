package rules

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// FuzzManifest checks that a manifest means what its pluginConfig means alone: the
// same digest, or a refusal of both.
func FuzzManifest(f *testing.F) {
	for _, pattern := range []string{"testdata/ok/*.yaml", "testdata/ok/*.json", "testdata/err/*.yaml", "../internal/walkthrough/testdata/*.wasmplugin.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%d files for %s (%v)", len(files), pattern, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		load := func(src string) *Table {
			t.Helper()
			table, problems := Load("f.yaml", []byte(src), Options{})
			if (table == nil) != (problems.Err() != nil) {
				t.Fatalf("Load = %v with the problems %v of\n%s", table, problems, src)
			}
			return table
		}
		written := load(string(src))
		config, ok := pluginConfig(src)
		if !ok {
			return
		}
		bare := load(config)
		inside := load(`{apiVersion: extensions.istio.io/v1alpha1, kind: WasmPlugin, metadata: {name: f}, spec: {phase: AUTHN, pluginConfig: ` + config + `}}`)
		if bare != nil && digestOrNone(bare) != digestOrNone(inside) { // a manifest may have what a bare file may not
			t.Errorf("the digest is %s, and %s in a manifest, of\n%s", digestOrNone(bare), digestOrNone(inside), config)
		}
		if written != nil && digestOrNone(written) != digestOrNone(inside) {
			t.Errorf("the digest is %s, and %s of its configuration alone, which is\n%s", written.Digest(), digestOrNone(inside), config)
		}
	})
}

func digestOrNone(t *Table) string {
	if t == nil {
		return "none"
	}
	return t.Digest()
}

// pluginConfig returns the rules in src, a manifest or a bare file, written in
// another way: on one line, in ASCII, and without aliases. It reports false where
// there are none, or too many values to be worth it.
func pluginConfig(src []byte) (config string, ok bool) {
	var doc, second yaml.Node
	loader, err := yaml.NewLoader(bytes.NewReader(src))
	if err != nil || !utf8.Valid(src) || loader.Load(&doc) != nil || loader.Load(&second) == nil || len(doc.Content) != 1 {
		return "", false
	}
	n := doc.Content[0]
	if has(n, "kind") || has(n, "apiVersion") {
		if n = child(child(n, "spec"), "pluginConfig"); n == nil {
			return "", false
		}
	}
	if n.Kind != yaml.MappingNode || has(n, "kind") || has(n, "apiVersion") {
		return "", false
	}
	w := flowWriter{left: 5000}
	w.write(n, 0)
	return w.text.String(), w.left >= 0
}

func has(n *yaml.Node, key string) bool { return child(n, key) != nil }

func child(n *yaml.Node, key string) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// A flowWriter writes nodes in YAML's flow style.
type flowWriter struct {
	text strings.Builder
	left int // how many values it will write; below 0: it has given up
}

func (w *flowWriter) write(n *yaml.Node, depth int) {
	if w.left--; w.left < 0 || depth > 50 {
		w.left = -1
		return
	}
	switch n.Kind {
	case yaml.AliasNode:
		w.write(n.Alias, depth+1)
	case yaml.MappingNode:
		w.text.WriteString("{")
		for i := 0; i+1 < len(n.Content); i += 2 {
			w.text.WriteString("? ")
			w.write(n.Content[i], depth+1)
			w.text.WriteString(" : ")
			w.write(n.Content[i+1], depth+1)
			w.text.WriteString(", ")
		}
		w.text.WriteString("}")
	case yaml.SequenceNode:
		w.text.WriteString("[")
		for _, e := range n.Content {
			w.write(e, depth+1)
			w.text.WriteString(", ")
		}
		w.text.WriteString("]")
	default:
		w.scalar(n)
	}
}

func (w *flowWriter) scalar(n *yaml.Node) {
	switch {
	case n.Tag == "!!str":
		w.text.WriteString(strconv.QuoteToASCII(n.Value))
	case n.Style == 0 && utf8.ValidString(n.Value) && !strings.ContainsAny(n.Value, "\"'#&*!|>%@`{}[],:?\n"):
		w.text.WriteString(n.Value)
	default:
		w.left = -1
	}
}
