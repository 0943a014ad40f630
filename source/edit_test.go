package source

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// An edit replaces the bytes of one scalar, wherever it stands.
func TestEdit(t *testing.T) {
	for _, src := range []string{
		"# c\nrules:\n- policies:\n  - range: 20   # a fifth\n    tagValue: s2\n",
		"rules: [{policies: [{range: 20, tagValue: s2}]}]",
		"{\"x\": \"\\ud83d\\ude00\", \"rules\": [{\"policies\": [{\"range\":20,\"tagValue\":\"s2\"}]}]}",
		"\ufeffrules:\r\n- policies:\r\n  - {range: 20, é: x, tagValue: 's2'}\r\n",
		"%YAML 1.2\n---\nrules:\n- policies:\n  - range: 20\n    tagValue: \"s2\"\n...\n",
	} {
		text, problems := Parse("f", []byte(src), MaxFileSize)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		policy, _ := Descend(text.Documents[0], []any{"rules", 0, "policies", 0})
		for key, c := range map[string][2]string{"range": {"20", "5"}, "tagValue": {"s2", "v10"}} {
			got, err := text.Edit(Child(policy, key), c[1])
			if want := strings.Replace(src, c[0], c[1], 1); err != nil || string(got) != want {
				t.Errorf("Edit of %s = %q, %v; want %q", key, got, err, want)
			}
		}
	}
}

// The text of a ConfigMap is edited by the places that it has in the whole.
func TestEditWithin(t *testing.T) {
	const src = "kind: ConfigMap\ndata:\n  rules.yaml: |\n    # é\n    rules:\n    - range: 20\n"
	text, _ := Parse("f", []byte(src), MaxFileSize)
	got, err := text.Edit(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: "20", Line: 6, Column: 14}, "30")
	if want := strings.Replace(src, "20", "30", 1); err != nil || string(got) != want {
		t.Errorf("Edit = %q, %v; want %q", got, err, want)
	}
}

func TestEditRefused(t *testing.T) {
	const src = "a: 20\nb: |\n  x\nc: \"x\\ty\"\nd: &d 3\n"
	text, _ := Parse("f", []byte(src), MaxFileSize)
	for key, value := range map[string]string{"a": "5, b: 6", "b": "y", "c": "y", "d": "4"} {
		if got, err := text.Edit(Child(text.Documents[0], key), value); err == nil || !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("Edit of %s = %q, %v; want an error with its place", key, got, err)
		}
	}
	for _, value := range []string{"5 # c", "x", "", "1]", "[1", "5\nx: 1", `"5"`} {
		if got, err := text.Edit(Child(text.Documents[0], "a"), value); err == nil {
			t.Errorf("Edit of a number to %q = %q, want an error", value, got)
		}
	}
}

// What is edited is read as the value, and everything else as before.
func FuzzEdit(f *testing.F) {
	f.Add("a: 20\nb: 'x'\nc: [1, \"y\"]\n", "30")
	f.Add("\ufeff{\"a\": \"\\ud83d\\ude00\", \"b\": 1}", "2")
	f.Fuzz(func(t *testing.T, src, value string) {
		text, _ := Parse("f", []byte(src), 1<<16)
		for _, doc := range text.Documents {
			var scalars []*yaml.Node
			each(doc, func(n *yaml.Node) { scalars = append(scalars, n) })
			for i, n := range scalars {
				edited, err := text.Edit(n, value)
				if err != nil || len(text.Documents) > 1 || string(text.src) != src {
					continue
				}
				again, problems := Parse("f", edited, 1<<17)
				if len(problems) > 0 || len(again.Documents) != 1 {
					continue // a key twice, or a key that is too long
				}
				var got []*yaml.Node
				each(again.Documents[0], func(n *yaml.Node) { got = append(got, n) })
				if len(got) != len(scalars) {
					t.Fatalf("%d scalars, then %d:\n%q\n%q", len(scalars), len(got), src, edited)
				}
				for j, g := range got {
					if want := scalars[j].Value; j != i && g.Value != want || j == i && g.Value != value {
						t.Fatalf("scalar %d is %q:\n%q\n%q", j, g.Value, src, edited)
					}
				}
			}
		}
	})
}

func each(n *yaml.Node, f func(*yaml.Node)) {
	if n.Kind == yaml.ScalarNode {
		f(n)
	}
	for _, c := range n.Content {
		each(c, f)
	}
}
