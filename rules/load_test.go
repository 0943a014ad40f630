package rules

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzLoad checks that every input gives either a table or an error with a place,
// that the table can be used, and that a file means the same twice.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/ok/*.yaml", "testdata/ok/*.json", "testdata/err/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
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
		table, problems := Load("f.yaml", src, Options{})
		if (table == nil) != (problems.Err() != nil) {
			t.Fatalf("Load = %v with problems %v", table, problems)
		}
		lines := len(regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]").Split(string(src), -1))
		for _, p := range problems {
			if p.Message == "" || p.Kind == "" || p.Line > lines || p.Line > 0 && p.Col < 1 {
				t.Errorf("problem %+v has no message, kind or place in a file of %d lines", p, lines)
			}
		}
		if table == nil {
			return
		}
		r := table.NewRequest()
		for i := range table.Keys() {
			r.SetKey(i, []byte("jack"))
		}
		for i, d := range table.Match(r) {
			if d.Bucket >= table.Rules()[i].Modulo || d.Tag >= int32(len(table.Tags())) {
				t.Errorf("decision %+v of rule %+v", d, table.Rules()[i])
			}
			if d.Writes() && table.Tags()[d.Tag].Header != table.Rules()[i].TagHeader {
				t.Errorf("rule %q writes %q, want its tagHeader %q", table.Rules()[i].Name, table.Tags()[d.Tag].Header, table.Rules()[i].TagHeader)
			}
		}
		again, _ := Load("f.yaml", src, Options{})
		if again.Digest() != table.Digest() {
			t.Errorf("digest = %s, then %s", table.Digest(), again.Digest())
		}
	})
}

// TestDigest checks what the digest is blind to and what it sees.
func TestDigest(t *testing.T) {
	base := mustLoad(t, oneRule).Digest()
	same := map[string]string{
		"a comment":                "# twenty percent\n" + oneRule,
		"a default":                strings.Replace(oneRule, "tagHeader:", "hash: fnv1a32\n  modulo: 100\n  tagHeader:", 1),
		"case of a header":         strings.Replace(oneRule, "x-user-id", "X-User-ID", 1),
		"no reachable policy more": oneRule + "  - {range: 100, tagValue: s3}\n",
		"order of keys":            "rules: [{policies: [{tagValue: s2, range: 20}, {tagValue: s1, range: 100}], tagHeader: x-asm-prefer-tag, header: x-user-id}]",
		"a manifest": "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nspec:\n  phase: AUTHN\n  pluginConfig:\n    " +
			strings.ReplaceAll(strings.TrimSpace(oneRule), "\n", "\n    ") + "\n",
		"a declaration of the same": "tagHeaders: {headers: [x-asm-prefer-tag]}" + oneRule,
	}
	for name, src := range same {
		if got := mustLoad(t, src).Digest(); got != base {
			t.Errorf("%s: digest = %s, want %s as without", name, got, base)
		}
	}
	other := map[string]string{
		"range":       strings.Replace(oneRule, "20", "21", 1),
		"value":       strings.Replace(oneRule, "s2", "s3", 1),
		"modulo":      strings.Replace(oneRule, "tagHeader:", "modulo: 1000\n  tagHeader:", 1),
		"hash":        strings.Replace(oneRule, "tagHeader:", "hash: xxh3\n  tagHeader:", 1),
		"mode":        strings.Replace(oneRule, "tagHeader:", "mode: shadow\n  tagHeader:", 1),
		"name":        strings.Replace(oneRule, "tagHeader:", "name: a\n  tagHeader:", 1),
		"owned":       "tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}" + oneRule,
		"trust":       "trustClientTags: true" + oneRule,
		"an override": strings.Replace(oneRule, "tagHeader:", "overrides: [{values: [jason], tagValue: s2}]\n  tagHeader:", 1),
	}
	seen := map[string]string{base: "the base"}
	for name, src := range other {
		d := mustLoad(t, src).Digest()
		if twin, taken := seen[d]; taken {
			t.Errorf("another %s has the digest of %s", name, twin)
		}
		seen[d] = name
	}
}

// TestOptions checks that flags declare tag headers for a file that does not.
func TestOptions(t *testing.T) {
	flags := Options{TagHeaders: Owned{Headers: []string{"X-ASM-Prefer-Tag"}, Prefixes: []string{"appver"}}}
	table, problems := Load("r.yaml", []byte(oneRule), flags)
	if table == nil {
		t.Fatal(problems.Err())
	}
	want := Owned{Headers: []string{"x-asm-prefer-tag"}, Prefixes: []string{"appver"}}
	if diff := cmp.Diff(want, table.Owned()); diff != "" {
		t.Errorf("Owned (-want +got):\n%s", diff)
	}
	refused := map[string]struct {
		src string
		o   Options
	}{
		"outside":    {strings.Replace(oneRule, "x-asm-prefer-tag", "x-tag", 1), flags},
		"twice":      {"tagHeaders: {headers: [x-asm-prefer-tag]}" + oneRule, flags},
		"a bad flag": {oneRule, Options{TagHeaders: Owned{Headers: []string{"x-asm-prefer-tag", "content-length"}}}},
	}
	for name, tt := range refused {
		if table, problems := Load("r.yaml", []byte(tt.src), tt.o); table != nil {
			t.Errorf("%s: Load = a table with problems %v, want a refusal", name, problems)
		}
	}
}

// TestLongLine checks that a file of one long line does not become a thousand
// long lines in what is reported.
func TestLongLine(t *testing.T) {
	src := "rules: [" + strings.Repeat("{ü: 1}, ", 20_000) + "]"
	_, problems := Load("r.json", []byte(src), Options{})
	shown := 0
	for _, p := range problems {
		shown += len(p.Source)
		if p.Source != "" && !strings.HasPrefix(src, strings.TrimSuffix(p.Source, "…")) {
			t.Fatalf("source = %q, want the beginning of the line", p.Source)
		}
	}
	if len(problems) < 100 || shown == 0 || shown > 1<<20 {
		t.Errorf("%d problems show %d bytes of the file, want many, and less than 1 MiB", len(problems), shown)
	}
}

// TestWarningsNeverRefuse checks that a file with any number of warnings is used.
func TestWarningsNeverRefuse(t *testing.T) {
	src := oneRule + strings.Repeat("  - {range: 100, tagValue: s3}\n", 3*1000)
	table, problems := Load("r.yaml", []byte(src), Options{})
	if table == nil || len(problems) != 1000+1 {
		t.Errorf("Load = %v with %d problems, want a table with %d warnings: %v", table, len(problems), 1000+1, problems.Err())
	}
	// Behind them an error is still found.
	table, problems = Load("r.yaml", []byte(src+"  - {range: 101, tagValue: s3}\n"), Options{})
	if table != nil || problems.Err() == nil {
		t.Errorf("Load accepts an error behind %d warnings", 3*1000)
	}
}

// TestOwned checks that declared tag headers are found whatever their order.
func TestOwned(t *testing.T) {
	table := mustLoad(t, "tagHeaders: {headers: [zeta, Alpha, zeta, mid], headerPrefixes: [y-, b-]}\nrules: []\n")
	want := Owned{Headers: []string{"alpha", "mid", "zeta"}, Prefixes: []string{"b-", "y-"}}
	if diff := cmp.Diff(want, table.Owned()); diff != "" {
		t.Errorf("Owned (-want +got):\n%s", diff)
	}
	for name, want := range map[string]bool{"alpha": true, "mid": true, "zeta": true, "y-1": true, "b-": true, "b": false, "alph": false, "": false} {
		if got := table.Owned().Contains(name); got != want {
			t.Errorf("Contains(%q) = %v, want %v", name, got, want)
		}
	}
}
