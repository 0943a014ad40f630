package source

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf16"

	"go.yaml.in/yaml/v4"
)

// kinds returns the value of the key kind of each document.
func kinds(t *testing.T, src []byte) string {
	t.Helper()
	docs, problems := Read("f.yaml", src)
	if len(problems) > 0 {
		t.Fatalf("Read(%q) = %v", src, problems)
	}
	var ks []string
	for _, d := range docs {
		ks = append(ks, d.Kind+" "+d.Name)
	}
	return strings.Join(ks, ", ")
}

// What kubectl's reader sees is read, and nothing is left out.
func TestHeads(t *testing.T) {
	const a, b = "kind: A\nmetadata: {name: a}\n", "kind: B\nmetadata: {name: b}\n"
	bom := byteOrderMark
	for name, src := range map[string]string{
		"plain":                    a + "---\n" + b,
		"byte order marks":         bom + a + "---\n" + bom + b,
		"mark before the dashes":   a + bom + "---\n" + b,
		"mark behind a comment":    a + "---\n# c\n\n" + bom + b,
		"mark behind three dots":   a + "...\n" + bom + b,
		"mark before a directive":  bom + "%YAML 1.2\n---\n" + a + "---\n" + b,
		"mark and a list":          a + "---\n" + bom + "kind: List\nitems:\n- {kind: B, metadata: {name: b}}\n",
		"directive":                "%YAML 1.2\n---\n" + a + "---\n" + b,
		"directive of 1.1":         "%YAML 1.1\n---\n" + a + "---\n" + b,
		"two directives":           "%YAML 1.2\n---\n" + a + "...\n%YAML 1.2\n---\n" + b,
		"directives, joined":       "%YAML 1.2\n---\n" + a + "---\n%YAML 1.2\n---\n" + b,
		"directive behind comment": "# c\n%YAML 1.2\n---\n" + a + "---\n" + b,
		"DOS":                      strings.ReplaceAll(bom+a+"---\n"+bom+b, "\n", "\r\n"),
		"dots at the end":          a + "---\n" + b + "...\n",
		"dashes with a comment":    a + "--- # second\n" + bom + b,
	} {
		if got := kinds(t, []byte(src)); got != "A a, B b" {
			t.Errorf("%s: %s, want A a, B b", name, got)
		}
	}
}

// A byte order mark, or a directive, elsewhere is an error and no document is lost.
func TestHeadsRefused(t *testing.T) {
	for src, want := range map[string]string{
		"kind: A\n" + byteOrderMark + "metadata: {name: a}\n":     "f.yaml:2:1: a byte order mark stands in the middle of a document",
		"kind: A\nmetadata: {name: a}\n%YAML 1.2\n---\nkind: B\n": "f.yaml:3:1: ",
		"%YAML 2.0\n---\nkind: A\n":                               "f.yaml:1:1: found incompatible YAML document; remove the line",
		"a: \"\\ud83d\"\n":                                        "f.yaml:1:7: while scanning a quoted scalar: found invalid Unicode character escape code; write",
		"a: \"\\ude00\\ud83d\"\n":                                 "f.yaml:1:7: while scanning",
	} {
		docs, problems := Read("f.yaml", []byte(src))
		if len(docs) > 0 || len(problems) != 1 || !strings.HasPrefix(problems[0].String(), want) {
			t.Errorf("Read(%q) = %d documents, %v; want %q", src, len(docs), problems, want)
		}
	}
}

// The bytes of a directive in a text are its own.
func TestHeadsInTexts(t *testing.T) {
	const text = "%YAML 1.2\n\ufeffa: \\ud83d\\ude00 # %YAML 1.2\n"
	src := "%YAML 1.2\n---\nkind: A\nmetadata: {name: a}\ndata:\n  x: |\n    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
	docs, problems := Read("f.yaml", []byte(src))
	if len(problems) > 0 || docs[0].Text("data", "x") != text {
		t.Fatalf("Read = %v, %q; want %q", problems, docs[0].Text("data", "x"), text)
	}
}

func TestSurrogatePairs(t *testing.T) {
	for src, want := range map[string]string{
		`{"a": "x\ud83d\ude00y", "b": 1}`:               "x😀y",
		`{"a": "\uD83D\uDE00\ud83d\ude80"}`:             "😀🚀",
		`{"a": "\\ud83d\ude00"}`:                        "", // half of one
		`{"a": "\\ud83d\\ude00"}`:                       `\ud83d\ude00`,
		`{"a": "\\\ud83d\ude00"}`:                       `\😀`,
		"a: \"x\\ud83d\\ude00\"":                        "x😀",
		"b: '\\ud83d\\ude00'\na: \"\\ud83d\\ude00\"":    "😀",
		"b: \"\\ud83d\\ude00\"\na: '\\ud83d\\ude00'":    `\ud83d\ude00`,
		"a: \\ud83d\\ude00\nb: \"\\ud83d\\ude00\"":      `\ud83d\ude00`,
		"b: \"\\ud83d\\ude00\"\na: |\n  \\ud83d\\ude00": `\ud83d\ude00`,
		"c: 1\n---\n{\"a\": \"\\ud83d\\ude00\"}\n":      "😀",
		"a: \"é\\ud83d\\ude00\"":                        "é😀",
	} {
		text, problems := Parse("f", []byte(src), MaxFileSize)
		if want == "" {
			if len(problems) != 1 {
				t.Errorf("Parse(%s) = %v, want a problem", src, problems)
			}
			continue
		}
		if len(problems) > 0 {
			t.Errorf("Parse(%s) = %v", src, problems)
			continue
		}
		if got := Child(text.Documents[len(text.Documents)-1], "a"); got == nil || got.Value != want {
			t.Errorf("Parse(%s) = %v, want %s", src, got, want)
		}
	}
}

// Places behind pairs, and behind a byte order mark, are those of the file.
func TestPairsPlaces(t *testing.T) {
	const src = `{"a": "\ud83d\ude00", "b": ["\ud83d\ude00", c],` + "\n" + ` "d": "\ud83d\ude00", "e": 2}`
	text, problems := Parse("f", []byte(src), MaxFileSize)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	lines := strings.Split(src, "\n")
	root := text.Documents[0]
	for _, n := range append(root.Content, root.Content[3].Content...) {
		if n.Kind != yaml.ScalarNode {
			continue
		}
		quoted, _ := json.Marshal(n.Value)
		got := lines[n.Line-1][n.Column-1:]
		if !strings.HasPrefix(got, n.Value) && !strings.HasPrefix(got, string(quoted)) && !strings.HasPrefix(got, `"\ud83d\ude00"`) {
			t.Errorf("%q is at %d:%d, where %q stands", n.Value, n.Line, n.Column, got)
		}
	}
	_, problems = Parse("f", []byte(`{"a": "\ud83d\ude00", "b": ]`), MaxFileSize)
	if len(problems) != 1 || problems[0].Col != 28 {
		t.Errorf("Parse of a bracket too many = %v, want it at column 28", problems)
	}
}

func TestUTF16(t *testing.T) {
	const text = "kind: A\r\nmetadata: {name: a}\r\nx: 😀\r\n"
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, mark := range []string{"", byteOrderMark} {
			var src []byte
			for _, u := range utf16.Encode([]rune(mark + text)) {
				src = order.AppendUint16(src, u)
			}
			docs, problems := Read("f", src)
			if len(problems) > 0 || len(docs) != 1 || docs[0].Name != "a" || docs[0].Text("x") != "😀" {
				t.Errorf("Read of %v with the mark %q = %v, %v", order, mark, docs, problems)
			}
			for _, damaged := range [][]byte{src[:len(src)-1], append(bytes.Clone(src), order.AppendUint16(nil, 0xd83d)...)} {
				if _, problems := Read("f", damaged); len(problems) != 1 || problems[0].Kind != KindEncoding || !strings.Contains(problems[0].Message, "UTF-16") {
					t.Errorf("Read of damaged %v = %v, want UTF-16 by its name", order, problems)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(several))
	f.Add([]byte("\ufeffa: b\n---\n\ufeff%YAML 1.2\n---\n{\"a\": \"\\ud83d\\ude00\"}\n"))
	f.Add([]byte("a: \"\\ud83d\\ude00\"\nb: '\\ud83d\\ude00'\n"))
	f.Add([]byte("\xff\xfea\x00:\x00 \x00b\x00"))
	f.Fuzz(func(t *testing.T, src []byte) {
		text, problems := Parse("f", src, 1<<20)
		if problems.Err() != nil && len(text.Documents) > 0 {
			t.Fatal("documents beside an error")
		}
		for _, p := range problems {
			if p.Message == "" || p.Line > len(text.lines) {
				t.Fatalf("a problem without a message or place: %+v", p)
			}
		}
		var walk func(n *yaml.Node)
		walk = func(n *yaml.Node) {
			if n.Line < 1 || n.Line > len(text.lines) || n.Column < 1 || n.Column > 1+len([]rune(text.lines[n.Line-1])) {
				t.Fatalf("%q is at %d:%d, outside of the text", n.Value, n.Line, n.Column)
			}
			for _, c := range n.Content {
				walk(c)
			}
		}
		for _, d := range text.Documents {
			walk(d)
		}
		var v any
		if json.Unmarshal(src, &v) == nil && problems.Err() != nil && bytes.Contains(src, []byte(`\u`)) && !bytes.ContainsAny(src, "\t\x7f") {
			if strings.Contains(problems[0].Message, "Unicode character escape") && pair.Match(src) && bytes.Count(src, []byte(`\u`)) == 2 {
				t.Fatalf("JSON with a pair alone is refused: %v", problems)
			}
		}
	})
}
