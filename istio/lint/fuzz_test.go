package lint

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tagproc/tagproc/rules"
)

// FuzzLint checks that no file makes lint fail, and that each finding has a message
// and a place.
func FuzzLint(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatalf("there are no seeds %s (%v)", pattern, err)
		}
		for _, path := range paths {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	good := readDir(f, "testdata/ok/service")
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, files := range [][]File{{{Name: "f.yaml", Source: src}}, append([]File{{Name: "f.yaml", Source: src}}, good...)} {
			for _, found := range Files(files, rules.Options{}).Findings {
				if found.Message == "" || found.File == "" || found.Kind == "" {
					t.Errorf("a finding says nothing: %+v", found)
				}
			}
		}
	})
}
