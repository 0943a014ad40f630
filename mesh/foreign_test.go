package mesh

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/source"
)

var full = flag.Bool("full", false, "judge all manifests of others, instead of about 100")

// foreign are the modules whose manifests are judged, and what they have in YAML that is no
// manifest.
var foreign = []struct {
	module string
	not    []string // directories
}{
	{"istio.io/istio", []string{"releasenotes", "manifests", "tools"}},
	{"sigs.k8s.io/gateway-api", []string{"geps", "config", "hack"}},
}

// ownRules are rules as someone has them who tags users: no manifest of others has a route
// by this tag.
const ownRules = `tagHeaders: {headers: [x-asm-prefer-tag]}
rules:
- header: x-user-id
  tagHeader: x-asm-prefer-tag
  policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]
`

// truths are the errors that manifests of others have indeed, and why.
var truths = map[string]struct {
	kind source.Kind
	why  string
}{
	"istio.io/istio/tests/testdata/networking/ingress-gateway/configs.yaml":     {"unknown-cluster", "it has ServiceEntries, and none for the host that a route leads to"},
	"istio.io/istio/pkg/config/validation/testdata/crds/envoyfilter-valid.yaml": {"early-stripping", "it adds the only ext_proc filter, and nothing removes a tag that a client sends"},
}

// A manifestFile is one of others that the API server and Istio accept.
type manifestFile struct {
	name string
	file File
}

// foreignFiles returns the files of others that have objects which are read here and are
// not refused. It logs how many others there are, and which are refused. Files without any
// of some words are left out, if there are such words.
func foreignFiles(t *testing.T, words ...string) (all []manifestFile) {
	t.Helper()
	var refused []string
	others := 0
	for _, f := range foreign {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", f.module).Output()
		if err != nil {
			t.Fatal(err)
		}
		dir := strings.TrimSpace(string(out))
		err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err := filepath.Rel(dir, path)
			if d.IsDir() {
				if slices.Contains(f.not, filepath.ToSlash(name)) {
					return fs.SkipDir
				}
				return err
			}
			if ext := filepath.Ext(path); ext != ".yaml" && ext != ".yml" {
				return err
			}
			if src, err := os.ReadFile(path); err != nil || len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return bytes.Contains(src, []byte(w)) }) {
				return err
			}
			one := manifestFile{filepath.ToSlash(filepath.Join(f.module, name)), file(t, path)}
			one.file.Name = one.name
			m := Read([]File{one.file}, Options{})
			switch {
			case len(m.Objects) == 0 && m.Problems.Err() == nil:
				others++
			case m.Problems.Err() != nil:
				refused = append(refused, one.name)
			default:
				all = append(all, one)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d files have nothing that Istio reads; %d are refused, or are no manifests:\n%s", others, len(refused), strings.Join(refused, "\n"))
	return all
}

// sampled returns every n-th of all, so that about as many as are wanted are left, unless
// all are judged.
func sampled[T any](all []T, want int) (some []T) {
	step := max(1, len(all)/want)
	if *full {
		step = 1
	}
	for i := 0; i < len(all); i += step {
		some = append(some, all[i])
	}
	return some
}

// TestForeign checks that manifests of others have no errors, whatever they lack, beside
// rules whose tags none of them knows.
func TestForeign(t *testing.T) {
	t.Parallel()
	all := foreignFiles(t)
	if len(all) < 500 {
		t.Errorf("%d files, want 500 at least", len(all))
	}
	some := sampled(all, 100)
	t.Logf("%d of %d files are judged", len(some), len(all))
	for _, f := range some {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			for _, found := range errorsOf(t, f.file, File{Name: "rules.yaml", Source: []byte(ownRules)}) {
				unrouted := found.Kind == "unrouted-tag" && found.File == "rules.yaml" // true of all of them
				if !unrouted && found.Kind != truths[f.name].kind {
					t.Error(found)
				}
			}
		})
	}
}

// errorsOf returns the errors that are found in files.
func errorsOf(t *testing.T, files ...File) (found []source.Problem) {
	t.Helper()
	for _, f := range linted(t, files).Findings {
		if f.Severity == source.Error {
			found = append(found, f.Problem)
		}
	}
	return found
}
