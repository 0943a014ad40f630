package wasmplugin

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

func TestMain(m *testing.M) { leak.Main(m) }

// inputs are files that are converted: those of this package, the manifests of
// the walk-throughs, and every file that rules accepts.
var inputs = []string{"testdata/*.yaml", "testdata/*.json", "../internal/walkthrough/testdata/*.wasmplugin.yaml", "../rules/testdata/ok/*.yaml", "../rules/testdata/ok/*.json"}

func files(tb testing.TB, patterns ...string) map[string][]byte {
	tb.Helper()
	contents := map[string][]byte{}
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			tb.Fatalf("%d files for %s (%v)", len(names), pattern, err)
		}
		for _, name := range names {
			src, err := os.ReadFile(name)
			if err != nil {
				tb.Fatal(err)
			}
			contents[name] = src
		}
	}
	return contents
}

// TestGolden holds the rules file and the notes of each manifest.
func TestGolden(t *testing.T) {
	for file, src := range files(t, inputs[:3]...) {
		base := filepath.Base(file)
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			c, problems := Convert(base, src, rules.Options{})
			if c == nil {
				t.Fatal(problems.Err())
			}
			out := &strings.Builder{}
			fmt.Fprintf(out, "manifest %v, changed %v, digest %s\n", c.Manifest, c.Changed, c.Digest)
			for _, n := range c.Notes {
				fmt.Fprintf(out, "%d:%d: %s\n", n.Line, n.Col, n)
			}
			golden.Check(t, "testdata/golden/"+base+".rules", string(c.Rules))
			golden.Check(t, "testdata/golden/"+base+".notes", out.String())
		})
	}
}

// TestAllConvert checks that what can be served can be converted.
func TestAllConvert(t *testing.T) {
	for file, src := range files(t, inputs...) {
		if c, problems := Convert(filepath.Base(file), src, rules.Options{}); c == nil {
			t.Errorf("%s: %v", file, problems.Err())
		}
	}
}

// FuzzConvert checks what every conversion has to be: a rules file of the same
// meaning, with the comments of the rules, which converts to itself.
func FuzzConvert(f *testing.F) {
	for _, src := range files(f, append(inputs, "../rules/testdata/err/*.yaml")...) {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		table, _ := rules.Load("f.yaml", src, rules.Options{})
		c, problems := Convert("f.yaml", src, rules.Options{})
		if (c == nil) != (problems.Err() != nil) || c != nil && table == nil {
			t.Fatalf("Convert = %v with the problems %v, and rules.Load = %v", c, problems, table)
		}
		if c == nil {
			return
		}
		converted, problems := rules.Load("g.yaml", c.Rules, rules.Options{})
		if converted == nil {
			t.Fatalf("the rules file is refused: %v\n%s", problems.Err(), c.Rules)
		}
		if changes := rules.Changes(table, converted, time.Time{}); len(changes) > 0 || converted.Digest() != c.Digest {
			t.Errorf("the rules file changes %v, its digest is %s, want %s\n%s", changes, converted.Digest(), c.Digest, c.Rules)
		}
		again, problems := Convert("g.yaml", c.Rules, rules.Options{})
		if again == nil || again.Manifest || again.Changed || string(again.Rules) != string(c.Rules) {
			t.Errorf("converted again: %+v %v, want the same rules file\n%s", again, problems, c.Rules)
		}
		docs, _ := source.Documents("f.yaml", src, rules.MaxFileSize)
		if text, _ := embedded(docs[0]); text.Exists() {
			return // its comments are those of the text, which is a file of its own
		}
		for _, comment := range read(src, docs).below() {
			if !strings.Contains(string(c.Rules), comment) {
				t.Errorf("the comment %q is not in the rules file\n%s", comment, c.Rules)
			}
		}
	})
}

// TestNothingIsSilent checks that each field of a manifest is in a note, and each
// comment in the rules file or in a note.
func TestNothingIsSilent(t *testing.T) {
	for file, src := range files(t, "testdata/commented.yaml", "testdata/odd-layout.yaml", "testdata/flow.yaml", "testdata/kubectl.yaml", "../internal/walkthrough/testdata/*.wasmplugin.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			c, problems := Convert(file, src, rules.Options{})
			if c == nil {
				t.Fatal(problems.Err())
			}
			said := string(c.Rules)
			for _, n := range c.Notes {
				said += n.String() + "\n"
			}
			for _, match := range regexp.MustCompile(`(?m)(?:^|\s)(#.*)$`).FindAllStringSubmatch(string(src), -1) {
				if !strings.Contains(said, match[1]) {
					t.Errorf("the comment %q is lost", match[1])
				}
			}
			var manifest struct {
				Spec map[string]yaml.Node
				Rest map[string]yaml.Node `yaml:",inline"`
			}
			if err := yaml.Unmarshal(src, &manifest); err != nil {
				t.Fatal(err)
			}
			fields := slices.Collect(maps.Keys(manifest.Rest))
			for name := range manifest.Spec {
				if name != "pluginConfig" {
					fields = append(fields, "spec."+name)
				}
			}
			for _, name := range fields {
				if !strings.Contains(said, name) {
					t.Errorf("the field %s is lost", name)
				}
			}
			if len(fields) < 3 {
				t.Errorf("the manifest has the fields %q, want more", fields)
			}
		})
	}
}

// TestOptions checks that tag headers declared by flags are those that are written.
func TestOptions(t *testing.T) {
	src := files(t, "testdata/bare.yaml")["testdata/bare.yaml"]
	o := rules.Options{TagHeaders: rules.Owned{Headers: []string{"X-ASM-Prefer-Tag"}, Prefixes: []string{"appver"}}}
	c, problems := Convert("bare.yaml", src, o)
	if c == nil {
		t.Fatal(problems.Err())
	}
	want := "tagHeaders:\n  headers:\n  - x-asm-prefer-tag\n  headerPrefixes:\n  - appver\n"
	if !strings.Contains(string(c.Rules), want) {
		t.Errorf("the rules file declares\n%s\nwant\n%s", c.Rules, want)
	}
	if table, _ := rules.Load("bare.yaml", src, o); table.Digest() != c.Digest {
		t.Errorf("digest = %s, want %s", c.Digest, table.Digest())
	}
	o.TagHeaders.Prefixes = []string{"other"}
	if c, problems := Convert("bare.yaml", src, o); c != nil || problems.Err() == nil {
		t.Errorf("Convert = %v with the problems %v, want a refusal of the undeclared tag headers", c, problems)
	}
}

// TestAliasesOfAliases checks that a small manifest does not become a large file.
func TestAliasesOfAliases(t *testing.T) {
	const aliases = 60_000
	src := "{apiVersion: extensions.istio.io/v1alpha1, kind: WasmPlugin, metadata: {x: &x " + strings.Repeat("x", 5000) + "}, spec: {pluginConfig: {rules: [" +
		"{header: x-user-id, tagHeader: tag, hash: xxh3, salt: *x, policies: [&p {range: 100, tagValue: s1}" + strings.Repeat(", *p", aliases) + "]}]}}}"
	c, problems := Convert("f.yaml", []byte(src), rules.Options{})
	if c != nil || !strings.Contains(problems.Err().Error(), "with its aliases written out") {
		t.Errorf("Convert = %v with the problems %.500v, want a refusal because of the size", c, problems.Err())
	}
}

// The same rules in two spellings. The second one is for one host alone.
const (
	policied = `rules:
- {header: x-user-id, modulo: 1000, tagHeader: appver-a, overrides: [{values: [user-7], none: true}], policies: [{range: 200, tagValue: v2}, {range: 900, tagValue: v1}]}
- {name: shop, match: {host: shop.example.com}, header: x-user-id, modulo: 7, tagHeader: appver-b, policies: [{range: 3, tagValue: v2}]}
`
	partitioned = `rules:
- {header: x-user-id, modulo: 1000, tagHeader: appver-a, overrides: [{values: [user-7], none: true}], KEY: [{partitionSize: 200, tagValue: v2}, {partitionSize: 700, tagValue: v1}]}
- {name: shop, match: {host: shop.example.com}, header: x-user-id, modulo: 7, tagHeader: appver-b, KEY: [{partitionSize: 3, tagValue: v2}]}
`
)

// TestForms converts each form of a manifest, and has 10,000 users decided by it and
// by the rules file, at the host of the second rule and at another one.
func TestForms(t *testing.T) {
	t.Parallel()
	wasm := "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: a}\nspec:\n  url: x\n  pluginConfig:\n"
	extension := "apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nmetadata: {name: a}\nspec:\n  wasm:\n    url: x\n    pluginConfig:\n"
	tagging := "apiVersion: istio.alibabacloud.com/v1\nkind: ASMHashTagging\nmetadata: {name: a}\nspec:\n  workloadSelector: {istio: ingressgateway}\n"
	configMap := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  rules.yaml: |\n"
	propagation := "---\napiVersion: istio.alibabacloud.com/v1beta1\nkind: ASMHeaderPropagation\nmetadata: {name: a}\nspec: {headerPrefix: [appver]}\n"
	own := strings.ReplaceAll(policied, "host: shop.example.com", "hosts: [shop.example.com]")
	indent := func(n int, text string) string {
		margin := strings.Repeat(" ", n)
		return margin + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+margin) + "\n"
	}
	list := func(manifest string) string {
		return "apiVersion: v1\nkind: List\nitems:\n- " + strings.TrimLeft(indent(2, manifest), " ")
	}
	withDebug := func(text string) string { return "debug: {enabled: true}\n" + text }
	old, later := strings.ReplaceAll(partitioned, "KEY", "partitions"), strings.ReplaceAll(partitioned, "KEY", "partitionedPolicies")
	for name, src := range map[string]string{
		"bare":                             own,
		"bare, partitions":                 strings.ReplaceAll(old, "host: shop.example.com", "hosts: [shop.example.com]"),
		"WasmPlugin":                       wasm + indent(4, policied),
		"WasmPlugin, debug":                wasm + indent(4, withDebug(policied)),
		"WasmPlugin, partitions":           wasm + indent(4, old),
		"WasmPlugin, partitionedPolicies":  wasm + indent(4, later),
		"WasmPlugin, ASMHeaderPropagation": wasm + indent(4, policied) + propagation,
		"WasmPlugin in a List":             list(wasm + indent(4, policied)),
		"TrafficExtension":                 extension + indent(6, policied),
		"TrafficExtension, partitions":     extension + indent(6, withDebug(old)),
		"TrafficExtension in a List":       list(extension + indent(6, policied)),
		"ASMHashTagging":                   tagging + indent(2, old),
		"ASMHashTagging in a List":         list(tagging + indent(2, old)),
		"ConfigMap":                        configMap + indent(4, own),
		"ConfigMap with a WasmPlugin":      configMap + indent(4, wasm+indent(4, policied)),
		"ConfigMap in a List":              list(configMap + indent(4, own)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, problems := rules.Load("f.yaml", []byte(src), rules.Options{})
			if before == nil {
				t.Fatalf("%v\n%s", problems.Err(), src)
			}
			c, problems := Convert("f.yaml", []byte(src), rules.Options{})
			if c == nil {
				t.Fatalf("%v\n%s", problems.Err(), src)
			}
			after, problems := rules.Load("rules.yaml", c.Rules, rules.Options{})
			if after == nil {
				t.Fatalf("%v\n%s", problems.Err(), c.Rules)
			}
			if before.Digest() != after.Digest() || c.Digest != after.Digest() {
				t.Errorf("the digests are %s of the manifest, %s of the rules file, and %s is told", before.Digest(), after.Digest(), c.Digest)
			}
			if strings.Contains(src, propagation) != !after.Propagated().IsZero() {
				t.Errorf("%v travels by the rules file\n%s", after.Propagated(), c.Rules)
			}
			reference, _ := rules.Load("own.yaml", []byte(own), rules.Options{})
			tables := []*rules.Table{reference, before, after}
			tagged := map[string]int{}
			for i := range 10_000 {
				for _, host := range []string{"shop.example.com", "other.example.com"} {
					var want string
					for j, table := range tables {
						got := decided(table, host, fmt.Sprint("user-", i))
						if j == 0 {
							want = got
							tagged[got]++
						} else if got != want {
							t.Fatalf("user-%d at %s is given %s, want %s, by\n%s", i, host, got, want, c.Rules)
						}
					}
				}
			}
			if len(tagged) != 6 { // v2, v1 and nothing, each with v2 and without
				t.Errorf("the users are given %v, which is not every pair of tags", tagged)
			}
		})
	}
}

// decided returns the tags of a user.
func decided(t *rules.Table, host, user string) string {
	r := t.NewRequest()
	for i, name := range t.Inputs() {
		switch name {
		case ":authority":
			r.SetHeader(i, []byte(host))
		case "x-user-id":
			r.SetHeader(i, []byte(user))
		}
	}
	var out []string
	for _, d := range t.Match(r) {
		tag := "none"
		if d.Tag != rules.NoTag {
			tag = t.Tags()[d.Tag].Value
		}
		out = append(out, tag)
	}
	return strings.Join(out, " ")
}
