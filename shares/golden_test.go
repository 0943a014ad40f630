package shares

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/internal/terminal"
)

// noon is within the ramp of testdata/ramp.txtar.
var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// TestGolden checks the text and the JSON of diffs, with people whose ids are known.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		content := func(name string) string {
			i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == name })
			return string(archive.Files[i].Data)
		}
		d := Compare(load(t, content("old.yaml")), load(t, content("new.yaml")), Options{At: noon, Next: true})
		c := NewCounter(d, 3)
		for _, id := range []string{"jack", "jason", "jessie", "stacy", "vance", "0001"} {
			c.Add([]byte(id))
		}
		c.Done()
		var text, colored, json strings.Builder
		if err := WriteText(terminal.New(&text), d); err != nil {
			t.Fatal(err)
		}
		if err := WriteText(terminal.Colored(&colored), d); err != nil || colored.Len() <= text.Len() {
			t.Errorf("%s: in colour %v, %d bytes, without %d", file, err, colored.Len(), text.Len())
		}
		if err := terminal.New(&json).JSON(d); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(file, ".txtar")
		golden.Check(t, name+".txt", text.String())
		golden.Check(t, name+".json", json.String())
	}
}
