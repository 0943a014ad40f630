package source

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"go.yaml.in/yaml/v4"
)

// TestAsKubectl checks that what kubectl's reader takes is read, document by document,
// or refused, and never left out in silence.
func TestAsKubectl(t *testing.T) {
	t.Parallel()
	const bom = "\ufeff"
	for _, c := range []struct {
		name, src string
		want      string // the names of the documents, or what the problem begins with
	}{
		{"a mark at the head of the file", bom + "name: a\n", "a"},
		{"a mark behind ---", "name: a\n---\n" + bom + "name: b\n---\nname: c\n", "a b c"},
		{"a mark behind --- and blanks, in DOS's lines", "name: a\r\n--- \r\n" + bom + "name: b\r\n", "a b"},
		{"a mark before ---", "name: a\n" + bom + "---\nname: b\n", "a b"},
		{"a mark within a document", "name: a\n" + bom + "b: c\n", "f:2:1: a byte order mark is in the middle"},
		{"a mark inside of a value stays", "name: \"a" + bom + "\"\n", "a" + bom},
		{"%YAML 1.2", "%YAML 1.2\n---\nname: a\n", "a"},
		{"%YAML 1.2 for a second document", "name: a\n...\n%YAML 1.2\n---\nname: b\n", "a b"},
		{"%YAML 2.0", "%YAML 2.0\n---\nname: a\n", "f:1:1: found incompatible YAML document"},
		{"...", "name: a\n...\n---\nname: b\n...\n", "a b"},
		{"DOS's lines", "name: a\r\n---\r\nname: b\r\n", "a b"},
		{"JSON with a surrogate pair", `{"name": "a\ud83d\ude00b"}`, "a😀b"},
		{"JSON with a backslash before what looks like one", `{"name": "a\\ud83d\\ude00"}`, `a\ud83d\ude00`},
		{"JSON with half a pair", `{"name": "\ud83d"}`, "f:1:13: while scanning"},
		{"documents without content", "---\n---\nname: a\n---\n# nothing\n---\n", "a"},
		{"UTF-16, little end first", utf16Text("name: a\n", binary.LittleEndian), "a"},
		{"UTF-16, big end first", utf16Text("name: a\n", binary.BigEndian), "a"},
		{"no UTF-8", "name: a\n# \xe9\n", "f:2:3: the byte 0xe9 is not valid UTF-8"},
		{"too large", "name: " + strings.Repeat("a", 1<<20), "f: the file has more than 1048576 bytes (1 MiB)"},
		{"too deep", strings.Repeat("[", 300) + strings.Repeat("]", 300), "f:1:202: values are nested more than 200 deep"},
		{"an alias of what it stands in", "a: &a [*a]\n", "f:1:8: the alias *a is inside the value that it refers to"},
	} {
		docs, problems := Documents("f", []byte(c.src), 1<<20)
		var names []string
		for _, d := range docs {
			names = append(names, d.Text("name"))
		}
		got := strings.Join(names, " ")
		if len(problems) > 0 {
			got = problems[0].String()
		}
		if len(problems) == 0 && got != c.want || len(problems) > 0 && !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: Documents = %q, want %q", c.name, got, c.want)
		}
	}
}

func utf16Text(s string, order binary.AppendByteOrder) string {
	b := order.AppendUint16(nil, 0xfeff)
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

// TestPlaceBehindPair checks that a place behind a surrogate pair is that of the file.
func TestPlaceBehindPair(t *testing.T) {
	t.Parallel()
	src := `{"a": "\ud83d\ude00\ud83d\ude00", "b": 1,` + "\n" + `"c": "\ud83d\ude00", "d": 2}`
	docs, problems := Documents("f", []byte(src), 1000)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for key, want := range map[string]int{"b": strings.Index(src, "1,") + 1, "d": strings.Index(strings.Split(src, "\n")[1], "2}") + 1} {
		if got := docs[0].Get(key).Place(); got.col != want {
			t.Errorf("%s stands in column %d, want %d", key, got.col, want)
		}
	}
}

// TestEmbedded checks that what stands in a literal block stands where the file has it.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	const src = "data:\n  rules.yaml: |\n    # first\n    rules:\n\n    - header: x\n  quoted: \"rules:\\n- header: y\\n\"\n  wrong: |-\n    a: b: c\n"
	docs, _ := Documents("f", []byte(src), 1000)
	for _, c := range []struct {
		key, place string
		exact      bool
	}{{"rules.yaml", "f:6:15", true}, {"quoted", "f:2:11", false}} {
		in, problems, exact := docs[0].Get("data", c.key).Embedded()
		if len(problems) > 0 || exact != c.exact || len(in) != 1 {
			t.Fatalf("%s: Embedded = %d documents, %v, exact %v", c.key, len(in), problems, exact)
		}
		if got := in[0].Get("rules", 0, "header").Place().String(); got != c.place {
			t.Errorf("%s: the header stands at %s, want %s", c.key, got, c.place)
		}
	}
	_, problems, _ := docs[0].Get("data", "wrong").Embedded()
	if got := fmt.Sprint(problems); !strings.Contains(got, "f:9:9: mapping values are not allowed") || !strings.Contains(got, "a: b: c") && problems[0].Source == "" {
		t.Errorf("a wrong text: Embedded = %s, want the place in the file", got)
	}
}

// TestTooManyValues checks that a text of many short values is refused before it is read,
// which takes hundreds of bytes for each, and that a long list of ids is read.
func TestTooManyValues(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"mappings of one key":   "rules: [" + strings.Repeat("{a},", 258_000) + "]",
		"mappings of two keys":  "rules: [" + strings.Repeat("{a,b},", 173_000) + "]",
		"empty lists":           "rules:\n" + strings.Repeat("- []\n", 200_000),
		"keys":                  strings.Repeat("k: 1\n", 200_000),
		"keys of JSON":          `{` + strings.Repeat(`"k":1,`, 170_000) + `}`,
		"documents":             strings.Repeat("---\na\n", 170_000),
		"complex keys":          strings.Repeat("? a\n", 200_000),
		"scalars":               "[" + strings.Repeat("a,", 500_000) + "]",
		"a text in a text too":  "data: {a: |-\n" + strings.Repeat("  - [a]\n", 100_000) + "}",
		"nothing between signs": strings.Repeat("[", 500_000),
	} {
		docs, problems := Documents("f", []byte(text), 1<<20)
		if len(docs) > 0 || len(problems) != 1 || problems[0].Kind != KindTooLarge {
			t.Errorf("%s: %d documents, %v, want a problem of kind %q", name, len(docs), problems, KindTooLarge)
		}
	}
	ids := "values: [" + strings.Repeat("user-4711, ", 90_000) + "x]"
	if docs, problems := Documents("f", []byte(ids), 1<<20); len(docs) != 1 || len(problems) > 0 {
		t.Errorf("90,000 ids: %d documents, %v, want one", len(docs), problems)
	}
}

// FuzzSigns checks that no text has more values than its signs allow.
func FuzzSigns(f *testing.F) {
	for _, text := range []string{
		"a: b\n", "{a,b}", "[{a},{b: c}]", "[a: b, c: d]", `{"a":1,"b":[{}]}`, "- - - a\n", "? a\n: b\n", "---\na\n---\nb\n", "- {}\n- []\n-\n-\n", "{a: , b: }", "[,]",
		"&a a: *a\n", "!!map {? a}\n", "{?a, :b, -c}", `{"a":"b","c":d}`, "[? a : b]", "{'a':b}", "a:\r\n- b\r\n", "...\n---\n", "{[a]:b}", "{{a}:b}", "[[a]:b]",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := Documents("f", []byte(text), 1<<20)
		n := 0
		for _, d := range docs {
			n += nodes(d.Around())
		}
		if most := 3*signs(Plain([]byte(text))) + 3; n > most {
			t.Errorf("%q has %d values, want %d at most", text, n, most)
		}
	})
}

func nodes(n *yaml.Node) int {
	sum := 1
	for _, c := range n.Content {
		sum += nodes(c)
	}
	return sum
}
