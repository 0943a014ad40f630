package mesh

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/source"
)

// good are sets of files that work.
const good = "../istio/lint/testdata/ok"

// TestMutations checks that mistakes which people make in a set that works are named. Each
// is an edit of one file.
func TestMutations(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../istio/lint/testdata/mutations.yaml")
	if err != nil {
		t.Fatal(err)
	}
	docs, problems := source.Documents("mutations.yaml", src, source.MaxFileSize)
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	mutations := docs[0].Elements()
	if len(mutations) < 41 {
		t.Errorf("there are %d mutations, want 41 and more", len(mutations))
	}
	for _, c := range mutations {
		t.Run(c.Text("name"), func(t *testing.T) {
			t.Parallel()
			files := setOf(t, filepath.Join(good, c.Text("set")))
			i := slices.IndexFunc(files, func(f File) bool { return f.Name == c.Text("file") })
			if i < 0 || !strings.Contains(string(files[i].Source), c.Text("old")) {
				t.Fatalf("%s of %s has no %q to edit", c.Text("file"), c.Text("set"), c.Text("old"))
			}
			files[i].Source = []byte(strings.Replace(string(files[i].Source), c.Text("old"), c.Text("edited"), 1))
			r := linted(t, files)
			if want := source.Kind(c.Text("kind")); !slices.ContainsFunc(r.Findings, func(f lint.Finding) bool { return f.Kind == want }) {
				t.Errorf("findings are %v, want one of kind %s; cannot tell %q", r.Findings, want, r.NotChecked)
			}
		})
	}
}

// TestGood checks that nothing is found in sets that work.
func TestGood(t *testing.T) {
	t.Parallel()
	sets, err := os.ReadDir(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range sets {
		t.Run(set.Name(), func(t *testing.T) {
			t.Parallel()
			if r := linted(t, setOf(t, filepath.Join(good, set.Name()))); len(r.Findings) > 0 {
				t.Errorf("findings are %v, want none", r.Findings)
			}
		})
	}
}

func linted(t *testing.T, files []File) *Report {
	t.Helper()
	r, err := Lint(files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// setOf returns the files of a directory, by their names there.
func setOf(t *testing.T, dir string) (files []File) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == ".yaml" || ext == ".json" {
			src, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, File{Name: e.Name(), Source: src})
		}
	}
	return files
}
