package source

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

// at returns what stands at a path of the last document of src, also in a ConfigMap.
func at(t *testing.T, src string, path ...any) Value {
	t.Helper()
	docs, problems := Documents("f", []byte(src), 10_000)
	if len(problems) > 0 {
		t.Fatalf("%q: %v", src, problems)
	}
	d := docs[len(docs)-1]
	if text := d.Get("data", "rules.yaml"); text.Exists() {
		in, problems, exact := text.Embedded()
		if len(problems) > 0 || !exact {
			t.Fatalf("%q: the text is not that of the file: %v", src, problems)
		}
		d = in[0]
	}
	return d.Get(path...)
}

// steps is a value with all types that are written.
var steps = []any{
	[]Pair{{"at", time.Date(2026, 12, 1, 9, 0, 0, 0, time.FixedZone("", 3600))}, {"range", 10}},
	[]Pair{{"values", []any{"jason", "0001"}}, {"none", true}},
}

// TestPut checks that an entry comes with the indentation, brackets, quotes and line ends
// of the file, and that no other byte changes.
func TestPut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, src, want string
		path            []any
		key             string
		value           any
		before          []string
	}{
		{"in front of a key and its comment", "a:\n- x: 1\n  # why\n  y: 2\n", "a:\n- x: 1\n  mode: \"off\"\n  # why\n  y: 2\n", []any{"a", 0}, "mode", "off", []string{"z", "y"}},
		{"in front of the first key", "a:\n- x: 1 # one\n  y: 2\n", "a:\n- mode: \"off\"\n  x: 1 # one\n  y: 2\n", []any{"a", 0}, "mode", "off", []string{"x"}},
		{"behind the last entry", "a:\n  x: 1\n  y: [2] # two\n\nb: 1\n", "a:\n  x: 1\n  y: [2] # two\n  n: 3\n\nb: 1\n", []any{"a"}, "n", 3, nil},
		{"behind all, without a line break", "a: 1", "a: 1\nb: \"x \"", nil, "b", "x ", nil},
		{"DOS's lines", "a: 1\r\nb: 2\r\n", "a: 1\r\nc: x\r\nb: 2\r\n", nil, "c", "x", []string{"b"}},
		{"a list as the file has them", "r:\n  - p:\n      - range: 1\n        tag: x\n", "r:\n  - p:\n      - ramp:\n          - {at: 2026-12-01T09:00:00+01:00, range: 10}\n          - {values: [jason, \"0001\"], none: true}\n        range: 1\n        tag: x\n", []any{"r", 0, "p", 0}, "ramp", steps, []string{"range"}},
		{"a list without indentation", "r:\n- p: # all\n  - range: 1\n", "r:\n- p: # all\n  - ramp:\n    - {at: 2026-12-01T09:00:00+01:00, range: 10}\n    - {values: [jason, \"0001\"], none: true}\n    range: 1\n", []any{"r", 0, "p", 0}, "ramp", steps, []string{"range"}},
		{"in brackets", "p: [{range: 1, tag: x}] # all\n", "p: [{ramp: [{at: 2026-12-01T09:00:00+01:00, range: 10}, {values: [jason, \"0001\"], none: true}], range: 1, tag: x}] # all\n", []any{"p", 0}, "ramp", steps, []string{"range"}},
		{"JSON", `{"p": [{"range": 1}]}`, `{"p": [{"at": "2026-12-01T09:00:00+01:00", "range": 1}]}`, []any{"p", 0}, "at", steps[0].([]Pair)[0].Value, nil},
		{"JSON over lines", "{\n  \"a\": 1,\n  \"b\": 2\n}\n", "{\n  \"a\": 1,\n  \"c\": \"x\",\n  \"b\": 2\n}\n", nil, "c", "x", []string{"b"}},
		{"in the place of another one", "a:\n  ramp: # up\n  - {at: 1} # one\n  - {at: 2} # two\n  b: 1\n", "a:\n  ramp: 7 # two\n  b: 1\n", []any{"a"}, "ramp", 7, nil},
		{"behind brackets with one in a comment", "a:\n  x: [1, # ]\n    2]\n", "a:\n  x: [1, # ]\n    2]\n  n: 3\n", []any{"a"}, "n", 3, nil},
		{"in a ConfigMap", "kind: ConfigMap\ndata:\n  rules.yaml: |\n    rules:\n    - header: x\n      policies: []\nother: 1\n", "kind: ConfigMap\ndata:\n  rules.yaml: |\n    rules:\n    - header: x\n      mode: \"off\"\n      policies: []\nother: 1\n", []any{"rules", 0}, "mode", "off", []string{"policies"}},
	} {
		got, err := Put([]byte(c.src), at(t, c.src, c.path...), c.key, c.value, c.before...)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: Put = %v\n%s\nwant\n%s", c.name, err, got, c.want)
		}
	}
}

// TestAppend checks that an element comes behind the others.
func TestAppend(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, src, want string }{
		{"in brackets", "a: {l: [x, 'y'], b: 1}\n", "a: {l: [x, 'y', \"0001\"], b: 1}\n"},
		{"to none", "a: {l: [ ]} # c\n", "a: {l: [\"0001\"]} # c\n"},
		{"in lines", "a:\n  l:\n    - x # ex\n    # end\n  b: 1\n", "a:\n  l:\n    - x # ex\n    - \"0001\"\n    # end\n  b: 1\n"},
		{"of JSON", "{\"a\": {\"l\": [\n  \"x\"\n]}}", "{\"a\": {\"l\": [\n  \"x\",\n  \"0001\"\n]}}"},
		{"behind brackets in quotes", "a: {l: [\"]\", 'it''s #1', b\"c] }\n", "a: {l: [\"]\", 'it''s #1', b\"c, \"0001\"] }\n"},
		{"behind a comment with a bracket", "a: {l: [x, # ]\n  y]}\n", "a: {l: [x, # ]\n  y,\n  \"0001\"]}\n"},
		{"in a ConfigMap", "kind: ConfigMap\ndata:\n  rules.yaml: |-\n    a:\n      l:\n      - x", "kind: ConfigMap\ndata:\n  rules.yaml: |-\n    a:\n      l:\n      - x\n      - \"0001\""},
	} {
		got, err := Append([]byte(c.src), at(t, c.src, "a", "l"), "0001")
		if err != nil || string(got) != c.want {
			t.Errorf("%s: Append = %v\n%s\nwant\n%s", c.name, err, got, c.want)
		}
	}
}

// TestRemove checks that an entry or an element goes, and nothing else.
func TestRemove(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, src, want string
		i               int
	}{
		{"an element in brackets", "a: [x, y, z]\n", "a: [y, z]\n", 0},
		{"the last one", "a: [x, y, z]\n", "a: [x, y]\n", 2},
		{"an element in lines", "a:\n# one\n- x # ex\n- b: 1\n  c: 2\n- z\n", "a:\n# one\n- x # ex\n- z\n", 1},
		{"the last line", "a:\n- x\n- y", "a:\n- x", 1},
		{"an entry and not its comment", "a:\n  x: 1\n  y: 2 # why\n  z: 3\n", "a:\n  x: 1\n  # why\n  z: 3\n", 1},
		{"an entry of many lines", "a:\n  x: 1\n  y:\n  - 1\n  - 2\n  z: 3\n", "a:\n  x: 1\n  z: 3\n", 1},
		{"the entry behind a dash's place", "a:\n  x: 1\n  y: 2\n", "a:\n  y: 2\n", 0},
		{"of JSON", "{\"a\": {\"x\": 1, \"y\": 2}}", "{\"a\": {\"x\": 1}}", 1},
	} {
		got, err := Remove([]byte(c.src), at(t, c.src, "a"), c.i)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: Remove = %v\n%s\nwant\n%s", c.name, err, got, c.want)
		}
	}
}

// TestInsertRefuses checks that what cannot be done in place is refused.
func TestInsertRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, src, want string }{
		{"an alias", "b: &b {x: 1}\na: *b\n", "it is an alias of the value at f:1:"},
		{"a scalar", "a: 1\n", "expected a mapping with a key"},
		{"no entry", "a: {}\n", "expected a mapping with a key"},
		{"a text in lines at the end", "a:\n  x: |\n    y\n", "more than one line"},
		{"an anchor at the end", "a:\n  x: &b 1\n", "an anchor or a type stands before it"},
	} {
		var mapping Value
		for _, e := range at(t, c.src).Entries() {
			if e.Key() == "a" {
				mapping = e
			}
		}
		got, err := Put([]byte(c.src), mapping, "k", "v")
		if err == nil || got != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Put = %q, %v; want the error %q", c.name, got, err, c.want)
		}
	}
	if got, err := Put([]byte("a: #{x: 1}\n   2\n"), at(t, "a: {x: 1}\n", "a"), "k", "v"); err == nil {
		t.Errorf("Put into a comment of another file = %q, want an error", got)
	}
	for _, src := range []string{"a: [x]\n", "a: x\n", "a: {x: 1}\n"} {
		if got, err := Remove([]byte(src), at(t, src, "a"), 0); err == nil {
			t.Errorf("Remove of the only part of %q = %q, want an error", src, got)
		}
	}
}

// TestInsertAny puts entries into generated mappings: what is there keeps its bytes and
// its order, and the new entry reads as asked.
func TestInsertAny(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z]{1,3}|"[a-z :#,\]}]{0,3}"|'[a-z :#,\[{]{0,3}'|-?[1-9][0-9]{0,3}|\[[a-z]?\]|\{q: "[}#]"\}`)
		var b strings.Builder
		n := rapid.IntRange(1, 5).Draw(t, "keys")
		flow := rapid.Bool().Draw(t, "flow")
		eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "eol")
		if flow {
			b.WriteString("{")
		}
		for i := range n {
			key := "k" + string(rune('0'+i))
			switch {
			case flow && i > 0:
				b.WriteString(rapid.SampledFrom([]string{", ", ",", "," + eol + "  ", ", # c" + eol}).Draw(t, "comma"))
			case !flow && i > 0:
				b.WriteString(rapid.SampledFrom([]string{"", " # c"}).Draw(t, "comment") + eol)
				b.WriteString(rapid.SampledFrom([]string{"", "# d" + eol, eol}).Draw(t, "line"))
			}
			b.WriteString(key + ": " + word.Draw(t, "value"))
		}
		if flow {
			b.WriteString("}")
		}
		src := b.String()
		docs, problems := Documents("f", []byte(src), 10_000)
		if len(problems) > 0 {
			t.Fatalf("%q: %v", src, problems)
		}
		before := rapid.SampledFrom([][]string{nil, {"k0"}, {"k2", "k1"}}).Draw(t, "before")
		text := rapid.StringMatching(`[a-zä"'\\: #,{}0]{1,6}`).Draw(t, "text")
		value := rapid.SampledFrom([]any{text, []any{text, 7}, []any{[]Pair{{"x", text}}}}).Draw(t, "written")
		got, err := Put([]byte(src), docs[0].Value, "new", value, before...)
		if err != nil {
			t.Fatalf("Put of %q into %q: %v", text, src, err)
		}
		after, problems := Documents("f", got, 10_000)
		if len(problems) > 0 || !isWritten(after[0].Get("new").node, value) {
			t.Fatalf("Put of %q into %q = %q", text, src, got)
		}
		if i := Index(after[0].node, "new"); n > 0 {
			back, err := Remove(got, after[0].Value, i/2)
			if again, problems := Documents("f", back, 10_000); err != nil || len(problems) > 0 || !alike(again[0].node.Content, docs[0].node.Content) {
				t.Fatalf("Remove of it from %q = %q, %v; want it to read as %q", got, back, err, src)
			}
		}
	})
}

// TestInsertAsKubectl checks that a text that is written is that text to kubectl's reader too,
// which reads YAML 1.1: no word of it comes without quotes.
func TestInsertAsKubectl(t *testing.T) {
	t.Parallel()
	old := []string{
		"on", "off", "Off", "yes", "no", "y", "N", "true", "null", "~", "1e3", "0x1F", "0b11", "0o17", "017", "1_000", "1:30", "190:20:30.15",
		".5", "1.", "+1", "-.inf", ".NaN", "<<", "=", "2026-12-01", "2026-12-01 09:00:00", "2026-12-01T09:00:00Z", "",
	}
	text := rapid.OneOf(rapid.SampledFrom(old), rapid.StringMatching(`[-+]?[.0]?[0-9xXbo]{1,2}[-_.:eE0-9+]{0,4}`), rapid.StringMatching(`[a-zA-Z]{1,5}|[a-z ~<=:#.-]{1,4}`))
	rapid.Check(t, func(t *rapid.T) {
		text, src := text.Draw(t, "text"), []byte("k0: plain\nk1: [a]\nk2: {b: c}\n")
		for i, edit := range []func(Value) ([]byte, error){
			func(v Value) ([]byte, error) { return Put(src, v, "k0", text) },
			func(v Value) ([]byte, error) { return Put(src, v, "new", text, "k1") },
			func(v Value) ([]byte, error) { return Append(src, v.Get("k1"), text) },
			func(v Value) ([]byte, error) { return Put(src, v.Get("k2"), "b", []any{[]Pair{{"x", text}}}) },
			func(v Value) ([]byte, error) { return Replace(src, Edit{v.Get("k0"), text}) },
		} {
			docs, _ := Documents("f", src, 1000)
			got, err := edit(docs[0].Value)
			if err != nil {
				t.Fatalf("edit %d with %q: %v", i, text, err)
			}
			var read any
			if err := yaml.Unmarshal(got, &read); err != nil {
				t.Fatalf("edit %d with %q: %v\n%s", i, text, err, got)
			}
			if !slices.Contains(textsIn(read), text) {
				t.Fatalf("edit %d: kubectl reads %q, want %q in it, of\n%s", i, textsIn(read), text, got)
			}
		}
	})
	for _, text := range old {
		if got := Written(text); got != doubleQuoted(text) {
			t.Errorf("%q is written as %s, and not every reader of YAML 1.1 takes that for a text", text, got)
		}
	}
	for _, text := range []string{"s2", "jason", "v1.2.3", "1a", "2026-12", "one:1", "offline", "c0a80101-0000-4000-8000-00000000000f", "a@b.example"} {
		if got := Written(text); got != text {
			t.Errorf("%q is written as %s, want it without quotes", text, got)
		}
	}
}

// textsIn returns the texts of a value that was read.
func textsIn(v any) (texts []string) {
	switch v := v.(type) {
	case string:
		texts = append(texts, v)
	case []any:
		for _, e := range v {
			texts = append(texts, textsIn(e)...)
		}
	case map[string]any:
		for _, e := range v {
			texts = append(texts, textsIn(e)...)
		}
	}
	return texts
}

// TestInsertQuotes checks that a text with a quote in it is written so that it can be
// removed again: a quote within a plain scalar begins nothing.
func TestInsertQuotes(t *testing.T) {
	t.Parallel()
	const src = "{k0: a, k1: a}"
	for _, text := range []string{`:"`, `it's`, `a"b`, `'`} {
		docs, _ := Documents("f", []byte(src), 100)
		got, err := Put([]byte(src), docs[0].Value, "new", []any{text, 7})
		if err != nil {
			t.Fatal(err)
		}
		after, problems := Documents("f", got, 100)
		if len(problems) > 0 {
			t.Fatalf("Put of %q = %q: %v", text, got, problems)
		}
		if back, err := Remove(got, after[0].Value, Index(after[0].Node(), "new")/2); err != nil || string(back) != src {
			t.Errorf("Remove of it from %q = %q, %v; want %q", got, back, err, src)
		}
	}
}
