package lint

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/source"
)

// TestDocs checks that docs/lint.md has every kind of finding, with its severity, and
// no other but those of tagproc-mesh.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/lint.md")
	if err != nil {
		t.Fatal(err)
	}
	ours, _, _ := strings.Cut(string(text), "### In a mesh alone")
	documented := map[source.Kind]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| (\\w+) \\| .+ \\|$").FindAllStringSubmatch(ours, -1) {
		if _, twice := documented[source.Kind(row[1])]; twice {
			t.Errorf("%s is in the table twice", row[1])
		}
		documented[source.Kind(row[1])] = row[2]
	}
	for kind, severity := range kinds() {
		if got := documented[kind]; got != severity.String() {
			t.Errorf("docs/lint.md has %s as %q, want %q", kind, got, severity)
		}
		delete(documented, kind)
	}
	example := regexp.MustCompile("(?s)```text\n(.*?)```").FindStringSubmatch(string(text))
	golden, err := os.ReadFile("testdata/err/unknown-cluster/out.txt")
	if err != nil || example == nil || !strings.HasPrefix(string(golden), example[1]) {
		t.Errorf("docs/lint.md shows %q, want the beginning of testdata/err/unknown-cluster/out.txt (%v)", example, err)
	}
	for kind := range documented {
		t.Errorf("docs/lint.md has %s, which lint does not", kind)
	}
}
