package mesh

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	istiolint "github.com/tagproc/tagproc/istio/lint"
	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/rules"
)

// elsewhere are the good cases whose routes by tags are not Istio's to make of the files.
var elsewhere = []string{"envoy-gateway", "external-alone", "gateway-api-elsewhere", "ingress", "routes-alone"}

var firstTag = regexp.MustCompile(`tagValue: \w+`)

// TestGoodCases checks that nothing is found in what works: public samples that were
// re-created small, with rules. So that it means something, a tag that no route takes is
// found in each.
func TestGoodCases(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(paths) < 30 {
		t.Fatalf("there are %d cases, want 30 and more (%v)", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := []File{{Name: name, Source: src}}
			r := linted(t, files)
			for _, f := range append(r.Findings, istiolint.Files(files, rules.Options{}).Findings...) {
				t.Errorf("found %v, want nothing; cannot tell %q", f, r.NotChecked)
			}
			written := firstTag.FindString(string(src))
			files[0].Source = []byte(strings.Replace(string(src), written, "tagValue: unheard-of", 1))
			r = linted(t, files)
			found := slices.ContainsFunc(r.Findings, func(f lint.Finding) bool { return f.Kind == "unrouted-tag" })
			if found == slices.Contains(elsewhere, name) {
				t.Errorf("without a route for a tag, found %v; cannot tell %q", r.Findings, r.NotChecked)
			}
		})
	}
}
