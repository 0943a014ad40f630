package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// readDir returns the manifests of a directory, under their names in it.
func readDir(t testing.TB, dir string) (files []File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s has no manifests (%v)", dir, err)
	}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, File{Name: filepath.Base(path), Source: src})
	}
	return files
}

// kinds returns every kind of finding that is not one of rules files or of YAML,
// with its severity.
func kinds() map[source.Kind]source.Severity {
	all := map[source.Kind]source.Severity{
		kindUnknownField: source.Error, kindUnknownType: source.Warning, kindFilterType: source.Error, kindDuplicate: source.Warning, kindKustomization: source.Warning, kindUnknownDocument: source.Warning, source.KindDuplicateKey: source.Error, kindTemplate: source.Warning,
		source.KindNoName: source.Error, source.KindNotMapping: source.Error,
	}
	for _, c := range allChecks() {
		all[c.kind] = c.severity
	}
	return all
}

// TestErr holds the findings of each bad example, which is called after what is
// wrong with it. There is one for every kind.
func TestErr(t *testing.T) {
	dirs, err := filepath.Glob("testdata/err/*")
	if err != nil {
		t.Fatal(err)
	}
	var examples []source.Kind
	for _, dir := range dirs {
		kind := source.Kind(filepath.Base(dir))
		examples = append(examples, kind)
		t.Run(string(kind), func(t *testing.T) {
			r := Files(readDir(t, dir), rules.Options{})
			var out strings.Builder
			for _, f := range r.Findings {
				fmt.Fprintln(&out, f)
				if f.Message == "" || f.File == "" || strings.ContainsAny(f.String(), "\r\n\x00\u00a0") {
					t.Errorf("the finding is not one printable line: %q", f)
				}
				if f.Severity != kinds()[f.Kind] {
					t.Errorf("%s is of severity %v, want %v", f.Kind, f.Severity, kinds()[f.Kind])
				}
			}
			if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Kind == kind }) {
				t.Errorf("nothing is found of kind %s:\n%s", kind, out.String())
			}
			golden.Check(t, filepath.Join(dir, "out.txt"), out.String())
		})
	}
	for _, c := range allChecks() {
		// Of routes the package lint has examples.
		if !slices.Contains(examples, c.kind) && !slices.Contains(c.needs, needEnvoy) && c.kind != "late-key" {
			t.Errorf("testdata/err has no example of %s", c.kind)
		}
	}
}

// TestOK checks that complete sets without fault have no findings, and that every
// check was made.
func TestOK(t *testing.T) {
	for _, dir := range []string{"testdata/ok/sidecar", "testdata/ok/service"} {
		r := Files(readDir(t, dir), rules.Options{})
		if len(r.Findings) > 0 {
			t.Errorf("%s: %v, want no findings", dir, r.Findings)
		}
		if len(r.NotChecked) > 0 {
			t.Errorf("%s: not checked: %v, want every check", dir, r.NotChecked)
		}
	}
}

// TestParts checks that what files lack is not found wrong: each document of a good set
// has no finding alone, and neither has each pair.
func TestParts(t *testing.T) {
	for _, dir := range []string{"testdata/ok/sidecar", "testdata/ok/service"} {
		files := readDir(t, dir)
		for i, a := range files {
			for _, b := range files[i:] {
				pair := []File{a, b}
				if a.Name == b.Name {
					pair = pair[:1]
				}
				for _, f := range Files(pair, rules.Options{}).Findings {
					t.Errorf("%s: %s and %s: %v", dir, a.Name, b.Name, f.WithFix())
				}
			}
		}
	}
}

// TestOthers checks that what others have beside a good set is not found wrong, with the
// rules, and without them, when Envoy's side alone says which headers are tags.
func TestOthers(t *testing.T) {
	for _, dir := range []string{"testdata/ok/sidecar", "testdata/ok/service"} {
		all := slices.Concat(readDir(t, dir), readDir(t, "testdata/others"))
		for i := range all {
			all[i].Swept = true
		}
		unruled := slices.DeleteFunc(slices.Clone(all), func(f File) bool { return f.Name == "rules.yaml" })
		for _, files := range [][]File{all, unruled} {
			r := Files(files, rules.Options{})
			for _, f := range r.Findings {
				t.Errorf("%s and others, %d files: %v", dir, len(files), f.WithFix())
			}
			if i := slices.IndexFunc(r.LookedAt, func(s Seen) bool { return s.Kind == kindOther }); i < 0 || r.LookedAt[i].Count < 5 || len(r.ForMesh) == 0 {
				t.Errorf("%s and others: LookedAt = %v, ForMesh = %v, want others and objects of Istio among them", dir, r.LookedAt, r.ForMesh)
			}
		}
	}
}

// TestListOfRules checks that a list of rules without the key above it is a finding.
func TestListOfRules(t *testing.T) {
	r := Files([]File{{Name: "rules.yaml", Source: []byte("- {header: x-user-id, tagHeader: x-tag}\n")}}, rules.Options{})
	if len(r.Findings) != 1 || r.Findings[0].Kind != source.KindNotMapping {
		t.Errorf("findings are %v, want one of kind %s", r.Findings, source.KindNotMapping)
	}
}

// TestNotChecked checks that a report names what was not looked for.
func TestNotChecked(t *testing.T) {
	r := Files([]File{{Name: "rules.yaml", Source: []byte("tagHeaders: {headers: [x-tag]}\nrules: []\n")}}, rules.Options{})
	listed := 0
	for _, n := range r.NotChecked {
		listed += len(n.Kinds)
		if len(n.Lacks) == 0 || slices.Contains(n.Lacks, "rules") {
			t.Errorf("%v are not checked for lack of %q", n.Kinds, n.Lacks)
		}
	}
	want := 0
	for _, c := range allChecks() {
		if !slices.Contains(c.needs, needEnvoy) { // of those for Envoys nothing is said
			want++
		}
	}
	if listed != want {
		t.Errorf("%d kinds are named as not checked, want all %d", listed, want)
	}
	seen := []Seen{{Kind: "rules", Count: 1}}
	if diff := cmp.Diff(seen, r.LookedAt); diff != "" {
		t.Errorf("LookedAt (-want +got):\n%s", diff)
	}
}
