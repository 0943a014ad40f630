package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/rules"
)

const several = `# rules, no object
rules: []
---
# nothing
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mocka, namespace: default, labels: {a: "1"}}
spec:
  hosts: &hosts [mocka]
  gateways: *hosts
  tcp: null
...
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: one}}
- {apiVersion: v1, kind: Service, metadata: {name: two}}
`

func TestRead(t *testing.T) {
	docs, problems := Read("all.yaml", []byte(several))
	if len(problems) > 0 {
		t.Fatalf("Read = %v", problems)
	}
	var ids []string
	for _, d := range docs {
		ids = append(ids, d.Group()+"|"+d.ID())
	}
	want := []string{"|", "networking.istio.io|VirtualService default/mocka", "|Service one", "|Service two"}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Fatalf("Read: documents (-want +got):\n%s", diff)
	}
	vs := docs[1]
	if got := vs.Labels["a"]; got != "1" {
		t.Errorf("Labels = %v, want a: 1", vs.Labels)
	}
	if got := vs.Text("spec", "gateways", 0); got != "mocka" {
		t.Errorf("Text through an alias = %q, want mocka", got)
	}
	for _, path := range [][]any{{"spec", "tcp"}, {"spec", "hosts", 1}, {"spec", "hosts", "x"}, {"spec", 0}, {"none", "x"}} {
		if n := vs.Node(path...); n != nil {
			t.Errorf("Node(%v) = %q, want nothing", path, n.Value)
		}
	}
	var spec networking.VirtualService
	if err := vs.Decode(&spec, true, "spec"); err != nil || spec.GetGateways()[0] != "mocka" {
		t.Errorf("Decode = %v, %v", &spec, err)
	}
	if err := vs.Decode(&networking.Gateway{}, true, "spec"); err == nil {
		t.Error("Decode of another message succeeded, want an error for unknown fields")
	}
}

func TestProblem(t *testing.T) {
	docs, _ := Read("all.yaml", []byte(several))
	for _, c := range []struct {
		path      []any
		line, col int
	}{
		{[]any{"spec", "hosts", 0}, 10, 18},
		{[]any{"spec", "http", 0, "route"}, 10, 3}, // the spec, which has no http
		{[]any{"spec", "tcp"}, 12, 8},
		{nil, 6, 1},
	} {
		p := docs[1].Problem(rules.Error, "some", "is wrong", c.path...)
		if p.Line != c.line || p.Col != c.col || p.File != "all.yaml" || p.Source != strings.Split(several, "\n")[p.Line-1] {
			t.Errorf("Problem(%v) is at %s %q, want %d:%d", c.path, p.Place(), p.Source, c.line, c.col)
		}
	}
}

// A part of a file means the same alone, at the same place.
func TestSource(t *testing.T) {
	docs, _ := Read("all.yaml", []byte(several))
	for _, d := range docs[:2] {
		again, problems := Read("all.yaml", d.Source())
		if len(problems) > 0 || len(again) != 1 {
			t.Fatalf("%s alone: %d documents, %v", d.ID(), len(again), problems)
		}
		if again[0].ID() != d.ID() || again[0].root.Line != d.root.Line {
			t.Errorf("%s of line %d is alone %s of line %d", d.ID(), d.root.Line, again[0].ID(), again[0].root.Line)
		}
	}
}

func TestReadProblems(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"syntax", "kind: a\n  b: c\n", "f.yaml:2:4: mapping values are not allowed in this context"},
		{"tab", "kind:\n\tb: c\n", "f.yaml:2:1: "},
		{"list", "- a\n", "f.yaml:1:1: expected a mapping"},
		{"no name", "kind: Gateway\nmetadata: {namespace: a}\n", "f.yaml:2:11: this Gateway has no metadata.name"},
		{"no metadata", "kind: Gateway\n", "f.yaml:1:1: this Gateway has no metadata.name"},
		{"large", strings.Repeat("#", MaxFileSize+1), "f.yaml: the file has more than 16 MiB"},
		{"binary", "a: \xff\n", "f.yaml:1:4: the file is not valid UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			docs, problems := Read("f.yaml", []byte(c.src))
			if len(docs) > 0 || len(problems) != 1 || !strings.HasPrefix(problems[0].String(), c.want) {
				t.Errorf("Read = %d documents, %v; want the problem %q", len(docs), problems, c.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(several))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("\r\r\r{a: b}")) // lines that YAML counts
	f.Add([]byte("{kind: XList, items: [null, {kind: b}, []]}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		docs, problems := Read("f.yaml", src)
		for _, d := range docs {
			d.Source()
			_ = d.Problem(rules.Error, "x", "x", "spec", 0)
			_ = d.Decode(&networking.VirtualService{}, false, "spec")
		}
		for _, p := range problems {
			if p.Message == "" {
				t.Errorf("a problem says nothing: %+v", p)
			}
		}
	})
}
