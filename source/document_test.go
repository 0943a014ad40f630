package source

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networking "istio.io/api/networking/v1alpha3"
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
		if v := vs.Get(path...); v.Exists() {
			t.Errorf("Get(%v) = %s, want nothing", path, v.Describe())
		}
	}
	var spec networking.VirtualService
	if err := vs.Get("spec").Message(&spec).Err(); err == nil || !strings.Contains(err.Error(), `all.yaml:12:3: "tcp" has no value`) || spec.GetGateways()[0] != "mocka" {
		t.Errorf("Message = %v, %v", &spec, err)
	}
	if err := vs.Get("spec").Message(&networking.Gateway{}).Err(); err == nil || !strings.Contains(err.Error(), `all.yaml:10:3: there is no field "hosts" here`) {
		t.Errorf("Message of another kind = %v, want its unknown fields", err)
	}
}

// TestListWithoutItems checks that a List that has none is told so, and not that it lacks
// a name.
func TestListWithoutItems(t *testing.T) {
	for _, items := range []string{"", "items:\n", "items: null\n"} {
		_, problems := Read("list.yaml", []byte("apiVersion: v1\nkind: List\n"+items))
		if err := problems.Err(); err == nil || !strings.Contains(err.Error(), "list.yaml:1:1: this List has no items") || len(problems) > 1 {
			t.Errorf("%q: Read = %v, want that the List has no items", items, err)
		}
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
		p := docs[1].Get(c.path...).Problem(Error, "some", "is wrong")
		if p.Line != c.line || p.Col != c.col || p.File != "all.yaml" || p.Source != strings.Split(several, "\n")[p.Line-1] {
			t.Errorf("Problem(%v) is at %s %q, want %d:%d", c.path, p.Place(), p.Source, c.line, c.col)
		}
	}
}

func TestReadProblems(t *testing.T) {
	for _, c := range []struct {
		name, src, want string
		docs            int // that come all the same
	}{
		{"syntax", "kind: a\n  b: c\n", "f.yaml:2:4: mapping values are not allowed in this context", 0},
		{"tab", "kind:\n\tb: c\n", "f.yaml:2:1: ", 0},
		{"list", "- a\n", "f.yaml:1:1: the document is a list; expected a mapping", 0},
		{"no name", "kind: Gateway\nmetadata: {namespace: a}\n", "f.yaml:2:11: this Gateway has no metadata.name", 1},
		{"no metadata", "kind: Gateway\n", "f.yaml:1:1: this Gateway has no metadata.name", 1},
		{"large", strings.Repeat("#", MaxFileSize+1), "f.yaml: the file has more than 67108864 bytes (64 MiB)", 0},
		{
			"two run together", "kind: A\nmetadata: {name: a}\ndata: {a: b}\nkind: B\nmetadata: {name: b}\n",
			`f.yaml:4:1: duplicate key "kind" (first at line 1); remove one, or is a "---" missing before this line?`, 1,
		},
		{
			"data twice", "kind: A\nmetadata: {name: a}\ndata: {a: b}\ndata: {b: c}\n",
			`f.yaml:4:1: duplicate key "data" (first at line 3); remove one, or is a "---" missing before this line?`, 1,
		},
		{
			"key twice", "kind: A\nmetadata: {name: a}\nspec:\n- b: c\n  b: d\n",
			`f.yaml:5:3: duplicate key "b" (first at line 4); remove one [duplicate-key]`, 1,
		},
		{"binary", "a: \xff\n", "f.yaml:1:4: the byte 0xff is not valid UTF-8", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			docs, problems := Read("f.yaml", []byte(c.src))
			if len(docs) != c.docs || len(problems) != 1 || !strings.HasPrefix(problems[0].String(), c.want) {
				t.Errorf("Read = %d documents, %v; want %d and the problem %q", len(docs), problems, c.docs, c.want)
			}
		})
	}
	docs, _ := Read("f.yaml", []byte("kind: A\nmetadata: {name: a}\nkind: B\nmetadata: {name: b}\n"))
	if len(docs) != 1 || docs[0].ID() != "B b" {
		t.Errorf("Read of two objects run together = %v, want the last one", docs)
	}
	if docs, problems := Read("f.yaml", []byte("kind: Job\nmetadata: {generateName: x-}\n")); len(docs) != 1 || len(problems) > 0 {
		t.Errorf("Read of an object whose name is generated = %d documents, %v; want 1 without problems", len(docs), problems)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(several))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("\r\r\r{a: b}")) // lines that YAML counts
	f.Add([]byte("{kind: XList, items: [null, {kind: b}, []]}"))
	f.Add([]byte("kind: List\nitems:\n- &a\n  kind: List\n  items: &i\n  - kind: b\n- *a\n- kind: List\n  items: *i\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		docs, problems := Read("f.yaml", src)
		for _, d := range docs {
			_ = d.Get("spec", 0).Problem(Error, "x", "x")
			_ = d.Get("spec").Message(&networking.VirtualService{})
			_, _ = d.YAML(1 << 20)
			for _, e := range d.Get("data").Entries() {
				_, _, _ = e.Embedded()
			}
		}
		for _, p := range problems {
			if p.Message == "" {
				t.Errorf("a problem says nothing: %+v", p)
			}
		}
	})
}
