package deploy

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/internal/walkthrough"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// rulesOf returns the rules file in the ConfigMap that tagproc mounts.
func rulesOf(t *testing.T, path string) []byte {
	t.Helper()
	docs := documents(t)[path]
	if len(docs) != 1 || docs[0].ID() != "ConfigMap istio-system/tagproc-rules" {
		t.Fatalf("%s: want one ConfigMap, tagproc-rules in istio-system", path)
	}
	return []byte(docs[0].Text("data", "rules.yaml"))
}

func load(t *testing.T, name string, src []byte, o rules.Options) *rules.Table {
	t.Helper()
	table, problems := rules.Load(name, src, o)
	if problems = exceptCohorts(problems); len(problems) > 0 {
		t.Fatal(problems)
	}
	return table
}

// exceptCohorts returns problems without the note that rules have the same users: the
// walk-throughs want that.
func exceptCohorts(problems source.Problems) source.Problems {
	return slices.DeleteFunc(problems, func(p source.Problem) bool { return p.Kind == rules.KindSameCohort })
}

// TestSampleRules checks that the rules of each step mean what the manifest of the
// walk-through's step means, and give each user the tags that are printed there.
func TestSampleRules(t *testing.T) {
	t.Parallel()
	steps, err := walkthrough.Steps()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"1: 20% of users to the canary lane":                                          "lanes/4-rules.yaml",
		"1, rolled back by range 0 for s2: only the named user is left in the canary": "lanes/6-rules-0.yaml",
		"2, step 2 as printed: app-a 10%, app-b 100%":                                 "ratios/2-rules-as-printed.yaml",
		"2, step 2 as its output shows: app-a 10%, app-b 10%":                         "ratios/2-rules.yaml",
		"2, step 3: app-c joins at 50%":                                               "ratios/3-rules.yaml",
		"2, step 4: app-c v3 promoted (its default route is v3, its rule is gone)":    "ratios/4-rules.yaml",
	}
	for _, step := range steps {
		path, found := files[step.Name]
		delete(files, step.Name)
		if !found {
			if step.Manifest != "none" {
				t.Errorf("step %q has no rules among the samples", step.Name)
			}
			continue
		}
		table := load(t, path, rulesOf(t, path), rules.Options{})
		printed, err := step.Rules()
		if err != nil {
			t.Fatal(err)
		}
		want := load(t, step.Manifest, printed, rules.Options{TagHeaders: table.Owned()})
		if changes := rules.Changes(want, table, time.Time{}); table.Digest() != want.Digest() {
			t.Errorf("%s is not %s: %v", path, step.Manifest, changes)
		}
		for _, user := range step.Users {
			if got := tagsOf(table, user.ID); !maps.Equal(got, user.Tags) {
				t.Errorf("%s: tags of %s = %v, want %v", path, user.ID, got, user.Tags)
			}
		}
	}
	for name := range files {
		t.Errorf("there is no step %q", name)
	}
}

// tagsOf decides for a request with one key, x-user-id.
func tagsOf(table *rules.Table, user string) map[string]string {
	request := table.NewRequest()
	request.SetKey(0, []byte(user))
	tags := map[string]string{}
	for _, d := range table.Match(request) {
		if d.Writes() {
			tag := table.Tags()[d.Tag]
			tags[tag.Header] = tag.Value
		}
	}
	return tags
}

// TestSameRules checks that the rules of the first walk-through mean the same
// wherever they stand.
func TestSameRules(t *testing.T) {
	t.Parallel()
	want := load(t, "4-rules.yaml", rulesOf(t, "lanes/4-rules.yaml"), rules.Options{}).Digest()
	for _, path := range []string{"samples/lanes/rules.yaml", "envoyfilter/rules.yaml", "kustomize/base/rules.yaml"} {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := load(t, path, src, rules.Options{}).Digest(); got != want {
			t.Errorf("digest of %s = %s, want that of samples/lanes/4-rules.yaml, %s", path, got, want)
		}
	}
}

// TestSampleRecompute checks that the hops' rules of the first walk-through are the
// gateway's, and also name the user whom a route names there.
func TestSampleRecompute(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("samples/lanes/recompute/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	table := load(t, "recompute/rules.yaml", src, rules.Options{})
	changes := rules.Changes(load(t, "4-rules.yaml", rulesOf(t, "lanes/4-rules.yaml"), rules.Options{}), table, time.Time{})
	if len(changes) != 1 || changes[0].Kind != rules.ChangeOverrides || !slices.Equal(changes[0].Named, []string{"jason"}) || changes[0].TagValue != "s2" {
		t.Errorf("the rules of the hops differ from the gateway's in %v, want jason named for s2 alone", changes)
	}
}

// TestSamplePropagated checks that the rules for applications that forward only baggage
// equal the others of their step, and that all their tags travel.
func TestSamplePropagated(t *testing.T) {
	t.Parallel()
	const propagation = "propagation: {headerPrefixes: [appver]} # what travels as baggage\n"
	for _, name := range []string{"rules.yaml", "2-rules.yaml", "3-rules.yaml", "4-rules.yaml"} {
		plain, err := os.ReadFile(filepath.Join("samples", "ratios", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("samples", "ratios", "propagated", name))
		if err != nil {
			t.Fatal(err)
		}
		indent := "    "
		if name == "rules.yaml" {
			indent = ""
		}
		plain, got = withoutSchema(plain), withoutSchema(got)
		before, after, _ := bytes.Cut(plain, []byte(indent+"rules:\n"))
		want := string(before) + indent + propagation + indent + "rules:\n" + string(after)
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("propagated/%s is not %s with propagation (-want +got):\n%s", name, name, diff)
		}
	}
}

// withoutSchema returns a rules file without the first line, where that tells editors
// the schema: a ConfigMap has none.
func withoutSchema(file []byte) []byte {
	if first, rest, _ := bytes.Cut(file, []byte("\n")); bytes.HasPrefix(first, []byte("# yaml-language-server:")) {
		return rest
	}
	return file
}

// TestSampleRaise checks that the steps of the first walk-through differ in the
// range of the canary alone, and that the rules file is what the ConfigMap holds.
func TestSampleRaise(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"lanes/4-rules.yaml", "ratios/2-rules.yaml"} {
		file, err := os.ReadFile(filepath.Join("samples", filepath.Dir(dir), "rules.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		file = withoutSchema(file)
		if got := rulesOf(t, dir); !bytes.Equal(got, file) {
			t.Errorf("%s has\n%s\nwant rules.yaml beside it:\n%s", dir, got, file)
		}
	}
	start := load(t, "4-rules.yaml", rulesOf(t, "lanes/4-rules.yaml"), rules.Options{})
	for path, want := range map[string]string{
		"lanes/5-rules-50.yaml": "rule x-asm-prefer-tag: s2 takes buckets 0 to 19 → 0 to 49",
		"lanes/6-rules-0.yaml":  "rule x-asm-prefer-tag: s2 takes buckets 0 to 19 → none",
	} {
		var got []string
		for _, c := range rules.Changes(start, load(t, path, rulesOf(t, path), rules.Options{}), time.Time{}) {
			if c.TagValue == "s2" {
				got = append(got, c.String())
			}
		}
		if !slices.Equal(got, []string{want}) {
			t.Errorf("what %s changes for s2 = %q, want %q", path, got, want)
		}
	}
}

// TestSamplePlugins checks that the manifests to migrate from are those of the
// walk-throughs, byte by byte.
func TestSamplePlugins(t *testing.T) {
	t.Parallel()
	steps, err := walkthrough.Steps()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"1-hash-tagging.wasmplugin.yaml":     "lanes/wasm.yaml",
		"2-step2-as-printed.wasmplugin.yaml": "ratios/hash-tagging-plugin.yaml",
		"2-step3-three-apps.wasmplugin.yaml": "ratios/wasm-plugin-ab-v2-c-v3.yaml",
		"2-step4-promoted.wasmplugin.yaml":   "ratios/wasm-plugin-ab-v2.yaml",
	}
	for _, step := range steps {
		path, found := files[step.Manifest]
		if !found {
			continue
		}
		delete(files, step.Manifest)
		want, err := step.Rules()
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("samples", "asm", path))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("samples/asm/%s is not %s", path, step.Manifest)
		}
	}
	for manifest := range files {
		t.Errorf("no step has the manifest %s", manifest)
	}
}
