package mesh

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/source"
)

// TestForeign checks that the manifests of Istio's own samples, each alone, have no errors,
// whatever they lack.
func TestForeign(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "istio.io/istio").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir, n := filepath.Join(strings.TrimSpace(string(out)), "samples"), 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		n++
		name, err := filepath.Rel(dir, path)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, f := range linted(t, []File{file(t, path)}).Findings {
				if f.Severity == source.Error {
					t.Error(f)
				}
			}
		})
		return err
	})
	if err != nil || n < 100 {
		t.Errorf("%d files, %v; want 100 at least", n, err)
	}
}
