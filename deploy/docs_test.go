package deploy

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsSamples checks that every file that docs/istio.md names is there, and
// that every manifest of a walk-through is a step of it. test/istio runs its
// commands.
func TestDocsSamples(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../docs/istio.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(src)
	for _, name := range regexp.MustCompile(`\bdeploy/[\w./-]*\w`).FindAllString(text, -1) {
		if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(name))); err != nil {
			t.Errorf("docs/istio.md names %s: %v", name, err)
		}
	}
	files := documents(t)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if !strings.Contains(text, path.Base(file)) {
			t.Errorf("samples/%s is not a step of docs/istio.md", file)
		}
	}
	lanes, err := os.ReadFile("samples/lanes/lanes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(text, "```yaml\nlaneGroup")
	shown, _, _ = strings.Cut(shown, "```")
	if _, want, _ := strings.Cut(string(lanes), "\nlaneGroup"); shown != want || want == "" {
		t.Errorf("docs/istio.md shows the lanes\nlaneGroup%s\nwant those of samples/lanes/lanes.yaml:\nlaneGroup%s", shown, want)
	}
}
