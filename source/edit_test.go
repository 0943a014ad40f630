package source

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestReplace checks that an edit changes the bytes of its scalar alone.
func TestReplace(t *testing.T) {
	t.Parallel()
	path := []any{"rules", 0, "policies", 0, "range"}
	for _, c := range []struct {
		name, src, text, want string
		path                  []any
	}{
		{name: "block", src: "# first\nrules:\n- policies:\n  - {range: 20, tagValue: s2} # twenty\n", text: "25", want: "{range: 25, tagValue: s2} # twenty"},
		{name: "DOS's lines", src: "rules:\r\n- policies:\r\n  - range: 20\r\n    tagValue: s2\r\n", text: "100", want: "  - range: 100\r\n"},
		{name: "JSON", src: `{"rules": [{"policies": [{"range": 20}]}]}`, text: "7", want: `{"range": 7}`},
		{name: "behind a surrogate pair", src: `{"x": "\ud83d\ude00", "rules": [{"policies": [{"range": 20}]}]}`, text: "7", want: `"\ud83d\ude00", "rules": [{"policies": [{"range": 7}]}]}`},
		{name: "behind a mark", src: "\ufeffrules: [{policies: [{range: 20}]}]\n", text: "7", want: "\ufeffrules: [{policies: [{range: 7}]}]\n"},
		{name: "in a later document", src: "a: 1\n---\n\ufeffrules: [{policies: [{range: 20}]}]\n", text: "7", want: "---\n\ufeffrules: [{policies: [{range: 7}]}]\n"},
		{name: "in double quotes", src: "a: \"b\\\"c\" # d\n", text: "x\"y\\", path: []any{"a"}, want: `a: "x\"y\\" # d`},
		{name: "in single quotes", src: "a: 'b''c' # d\n", text: "it's", path: []any{"a"}, want: `a: 'it''s' # d`},
		{name: "a text that needs quotes now", src: "a: b # c\n", text: "true", path: []any{"a"}, want: `a: "true" # c`},
		{name: "a text with a colon", src: "a: b\n", text: "x: y", path: []any{"a"}, want: `a: "x: y"`},
		{name: "wide characters before it", src: "{ключ: ä, a: b}\n", text: "c", path: []any{"a"}, want: "{ключ: ä, a: c}"},
	} {
		docs, problems := Documents("f", []byte(c.src), 1000)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		at := c.path
		if at == nil {
			at = path
		}
		got, err := Replace([]byte(c.src), Edit{docs[len(docs)-1].Get(at...), c.text})
		if err != nil || !strings.Contains(string(got), c.want) {
			t.Errorf("%s: Replace = %q, %v; want %q in it", c.name, got, err, c.want)
		}
	}
}

// TestReplaceRefuses checks that an edit that cannot be made in place is refused.
func TestReplaceRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, src, want string }{
		{"an alias", "b: &b 1\na: *b\n", "it is an alias of the value at f:1:"},
		{"an anchor", "a: &b 1\nc: *b\n", "an anchor or a type stands before it"},
		{"a tag", "a: !!str 1\n", "a type stands before it"},
		{"a folded text", "a: >\n  b\n  c\n", "more than one line"},
		{"a text over two lines", "a: b\n  c\n", "more than one line"},
		{"quotes over two lines", "a: \"b\n  c\"\n", "more than one line"},
		{"a mapping", "a: {b: c}\n", "it is a mapping; expected a scalar"},
		{"nothing", "b: c\n", "it is nothing; expected a scalar"},
	} {
		docs, _ := Documents("f", []byte(c.src), 1000)
		got, err := Replace([]byte(c.src), Edit{docs[0].Get("a"), "2"})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Replace = %q, %v; want the error %q", c.name, got, err, c.want)
		}
	}
}

// TestReplaceReadsBack checks that a value comes back as it was asked for, or that
// nothing is returned.
func TestReplaceReadsBack(t *testing.T) {
	t.Parallel()
	for _, src := range []string{"a: 'x'\n", "a: \"x\"\n", "a: x\n"} {
		for _, text := range []string{"p\u0085q", "p\u2028q", "p\ufeffq", " p", "p #q", "p\tq", "", "~", "true"} {
			docs, _ := Documents("f", []byte(src), 1000)
			got, err := Replace([]byte(src), Edit{docs[0].Get("a"), text})
			if err != nil {
				if got != nil {
					t.Errorf("%q by %q: the error %v comes with %q", src, text, err, got)
				}
				continue
			}
			if after, problems := Documents("f", got, 1000); len(problems) > 0 || after[0].Text("a") != text {
				t.Errorf("%q by %q = %q, which reads otherwise", src, text, got)
			}
		}
	}
}

// TestReplaceInConfigMap checks that a number in the text of a ConfigMap is changed in
// place.
func TestReplaceInConfigMap(t *testing.T) {
	t.Parallel()
	const src = "kind: ConfigMap\ndata:\n  rules.yaml: |\n    rules: # all\n    - policies:\n\n      - range: 20 # %\n"
	docs, _ := Documents("f", []byte(src), 1000)
	in, _, exact := docs[0].Get("data", "rules.yaml").Embedded()
	if !exact {
		t.Fatal("the text is not that of the file")
	}
	got, err := Replace([]byte(src), Edit{in[0].Get("rules", 0, "policies", 0, "range"), "50"})
	if want := strings.Replace(src, "20", "50", 1); err != nil || string(got) != want {
		t.Errorf("Replace = %q, %v; want %q", got, err, want)
	}
}

// TestReplaceAny replaces scalars of generated documents: every other byte stays, and
// the value is the new one.
func TestReplaceAny(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z]{1,3}|"[a-z :#,]{0,3}"|'[a-z :#,]{0,3}'|-?[1-9][0-9]{0,3}`)
		end := rapid.SampledFrom([]string{"\n", "\r\n", " # why\n"})
		var b strings.Builder
		n := rapid.IntRange(1, 6).Draw(t, "keys")
		for i := range n {
			form := rapid.SampledFrom([]string{"k%d: %s%s", "k%d:   %s%s", "'k%d': %s%s"}).Draw(t, "form")
			fmt.Fprintf(&b, form, i, word.Draw(t, "value"), end.Draw(t, "end"))
		}
		src := b.String()
		docs, problems := Documents("f", []byte(src), 10_000)
		if len(problems) > 0 {
			t.Skip("not YAML")
		}
		key := fmt.Sprintf("k%d", rapid.IntRange(0, n-1).Draw(t, "key"))
		v := docs[0].Get(key)
		text := rapid.StringMatching(`[a-zä"'\\: #,{}]{1,6}`).Draw(t, "text")
		if v.node.Tag == "!!int" {
			text = fmt.Sprint(rapid.IntRange(-9, 9999).Draw(t, "number"))
		}
		got, err := Replace([]byte(src), Edit{v, text})
		if err != nil {
			t.Fatalf("Replace of %s in %q by %q: %v", key, src, text, err)
		}
		after, problems := Documents("f", got, 10_000)
		if len(problems) > 0 || after[0].Text(key) != text {
			t.Fatalf("Replace of %s in %q by %q = %q", key, src, text, got)
		}
		for i := range n {
			if other := fmt.Sprintf("k%d", i); other != key && after[0].Text(other) != docs[0].Text(other) {
				t.Fatalf("Replace of %s in %q changes %s: %q", key, src, other, got)
			}
		}
		line := v.Place().Line()
		before, now := strings.Split(src, "\n"), strings.Split(string(got), "\n")
		for i := range before {
			if i != line-1 && before[i] != now[i] {
				t.Fatalf("Replace of %s in %q changes line %d: %q", key, src, i+1, got)
			}
		}
	})
}
