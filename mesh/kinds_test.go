package mesh

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	istiolint "github.com/tagproc/tagproc/istio/lint"
	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// manifests are the examples of package istio/lint.
const manifests = "../istio/lint/testdata/"

func read(t *testing.T, path string) string {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// TestKinds checks that docs/lint.md has every kind of finding with its severity, and that
// each has a bad example.
func TestKinds(t *testing.T) {
	t.Parallel()
	before, alone, _ := strings.Cut(read(t, "../docs/lint.md"), "### In a mesh alone")
	row := regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| (\\w+) \\| .+ \\|$")
	documented := map[source.Kind]string{}
	for _, r := range row.FindAllStringSubmatch(before+alone, -1) {
		documented[source.Kind(r[1])] = r[2]
	}
	known := map[source.Kind]source.Severity{}
	for _, c := range lint.Checks {
		known[c.Kind] = c.Severity
	}
	maps.Copy(known, kinds)
	for kind, severity := range known {
		if documented[kind] != severity.String() {
			t.Errorf("docs/lint.md has %s as %q, want %q", kind, documented[kind], severity)
		}
	}
	for _, r := range row.FindAllStringSubmatch(alone, -1) {
		if _, is := kinds[source.Kind(r[1])]; !is && !strings.HasPrefix(r[1], "ist0") {
			t.Errorf("docs/lint.md has %s, which tagproc-mesh lint does not", r[1])
		}
	}
	examples := exampleKinds(t)
	for kind := range documented {
		if !examples[kind] {
			t.Errorf("no case is bad of kind %s", kind)
		}
	}
}

// exampleKinds returns the kinds that tests find in bad examples: those of TestCases, of
// TestMutations, and of TestErr in package istio/lint.
func exampleKinds(t *testing.T) map[source.Kind]bool {
	t.Helper()
	all := map[source.Kind]bool{}
	for _, c := range cases {
		for kind := range strings.FieldsSeq(strings.NewReplacer("(", "", ")", "").Replace(c.want)) {
			all[source.Kind(kind)] = true
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^  kind: (\S+)$`).FindAllStringSubmatch(read(t, manifests+"mutations.yaml"), -1) {
		all[source.Kind(m[1])] = true
	}
	dirs, err := os.ReadDir(manifests + "err")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		all[source.Kind(d.Name())] = true
	}
	return all
}

// TestWhichCommand holds the table of docs/lint.md that says which command finds what: each
// command finds an example of what it is said to find, and no other.
func TestWhichCommand(t *testing.T) {
	t.Parallel()
	_, table, _ := strings.Cut(read(t, "../docs/lint.md"), "| | `tagproc lint` | `tagproc-mesh lint` |")
	table, _, _ = strings.Cut(table, "\n\n")
	examples := map[string]struct {
		files string // of testdata, or of a directory of package istio/lint
		kind  source.Kind
	}{
		"rules, in every envelope":                                                            {"kinds/plugin", "no-policies"},
		"what Envoy sends to tagproc, lets it change, removes before":                         {manifests + "err/forward-rules", "forward-rules"},
		"the cluster of tagproc: there, HTTP/2, limits, retries":                              {manifests + "err/cluster-http2", "cluster-http2"},
		"the order of filters":                                                                {manifests + "err/filter-order", "filter-order"},
		"whether the EnvoyFilter holds for the gateway":                                       {manifests + "err/filter-selector", "filter-selector"},
		"tags and routes: unrouted, never reached, misspelt, half-routed, no default, random": {"rules envoy", "no-default-route"},
		"hosts, ports, subsets, Gateways, injection":                                          {"rules base dr kinds/unknown-gateway kinds/gateway", "unknown-gateway"},
		"tagproc's pods, Service, mounts, probes":                                             {manifests + "err/sub-path", "sub-path"},
		"NetworkPolicy, AuthorizationPolicy":                                                  {"", ""},
		"whether applications forward tag headers":                                            {"", ""},
	}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) < 4 || strings.HasPrefix(line, "|--") {
			continue
		}
		what := strings.TrimSpace(cells[0])
		example, is := examples[what]
		if !is {
			t.Errorf("the row %q has no example here", what)
		}
		delete(examples, what)
		if example.files == "" {
			continue
		}
		var files []File
		if strings.HasPrefix(example.files, manifests) {
			files = setOf(t, filepath.FromSlash(example.files))
		} else {
			for name := range strings.FieldsSeq(example.files) {
				files = append(files, file(t, "testdata/"+name+".yaml"))
			}
		}
		of := func(f lint.Finding) bool { return f.Kind == example.kind }
		for i, found := range [][]lint.Finding{istiolint.Files(files, rules.Options{}).Findings, linted(t, files).Findings} {
			said := !strings.HasPrefix(strings.TrimSpace(cells[i+1]), "no")
			if got := slices.ContainsFunc(found, of); got != said {
				t.Errorf("%s: command %d finds %s: %v, docs/lint.md says %v; found %v", what, i+1, example.kind, got, said, found)
			}
		}
	}
	for what := range examples {
		t.Errorf("docs/lint.md has no row %q", what)
	}
}
