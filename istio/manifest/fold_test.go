package manifest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"
)

func treeOf(t interface{ Fatal(...any) }, text string) *Tree {
	var doc yaml.Node
	if err := yaml.Load([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	block(&doc)
	return &Tree{root: doc.Content[0]}
}

func written(t interface{ Fatal(...any) }, tree *Tree) string {
	var out bytes.Buffer
	if err := tree.Write(&out, ""); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		columns int
		tree    *Tree
		want    string
	}{
		{"what fits", 30, treeOf(t, "{a: {b: [1, 2], c: {}}}"), "{a: {b: [1, 2], c: {}}}\n"},
		{"what does not, with its quotes", 17, treeOf(t, "{a: ['[x]', '[y]']}"), "a: ['[x]', '[y]']\n"},
		{"what does not", 20, treeOf(t, "{a: {b: [1, 2], c: {}}}"), "a:\n  b: [1, 2]\n  c: {}\n"},
		{"several mappings", 60, treeOf(t, "{a: [{b: 1, c: 2}, {b: 3, c: 4}]}"), "a:\n- {b: 1, c: 2}\n- {b: 3, c: 4}\n"},
		{"several mappings of one scalar", 60, treeOf(t, "{a: [{b: 1}, {c: {d: 4}}]}"), "{a: [{b: 1}, {c: {d: 4}}]}\n"},
		{"one mapping", 60, treeOf(t, "{a: [{b: 1, c: 2}]}"), "{a: [{b: 1, c: 2}]}\n"},
		{"a text of lines", 60, treeOf(t, `{a: {b: "one\ntwo\n"}, c: "one\n"}`), "a:\n  b: |\n    one\n    two\nc: |\n  one\n"},
		{"one scalar, which is long anyway", 10, treeOf(t, "{a: {b: {c: a long text}}, d: 1}"), "a: {b: {c: a long text}}\nd: 1\n"},
		{
			"comments, which stay and are filled", 24, treeOf(t, "{a: 1, b: {c: 1, d: [1, 2]}}").Comment("This is a comment\nof a few words.\n\nAnother.", "b", "d"),
			"a: 1\nb:\n  c: 1\n  # This is a comment of\n  # a few words.\n  #\n  # Another.\n  d: [1, 2]\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, written(t, c.tree.Fold(c.columns))); diff != "" {
				t.Errorf("Fold(%d) (-want +got):\n%s", c.columns, diff)
			}
		})
	}
}

// TestFoldMeansTheSame checks that folded trees are read as they were.
func TestFoldMeansTheSame(t *testing.T) {
	t.Parallel()
	scalars := rapid.SampledFrom([]any{1, true, "", "a", "on", "a, b", "{", "[x]", "# no", "a: b", "'", `"`, "%", "x\ny", "[^a-z]|b.*", "-", "?", "@type", strings.Repeat("w", 30)})
	var value *rapid.Generator[any]
	value = rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return value }), 0, 3).Draw(t, "list")
		case 1:
			return rapid.MapOfN(rapid.SampledFrom([]string{"a", "@type", "b.c", "on", "1"}), rapid.Deferred(func() *rapid.Generator[any] { return value }), 0, 3).Draw(t, "mapping")
		}
		return scalars.Draw(t, "scalar")
	})
	rapid.Check(t, func(t *rapid.T) {
		want := map[string]any{"root": value.Draw(t, "value")}
		text, err := yaml.Dump(want)
		if err != nil {
			t.Fatal(err)
		}
		columns := rapid.IntRange(0, 80).Draw(t, "columns")
		folded := written(t, treeOf(t, string(text)).Fold(columns))
		var got map[string]any
		if err := yaml.Load([]byte(folded), &got); err != nil {
			t.Fatalf("%v in\n%s", err, folded)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("folded to %d columns it means something else (-want +got):\n%s\n%s", columns, diff, folded)
		}
	})
}
