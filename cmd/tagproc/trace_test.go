package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestTraceDocs checks that docs/envoy.md shows what trace prints.
func TestTraceDocs(t *testing.T) {
	t.Parallel()
	script, err := txtar.ParseFile("testdata/script/trace.txtar")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../../docs/envoy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range script.Files {
		if f.Name == "jack.txt" && !strings.Contains(string(docs), "```text\n"+string(f.Data)+"```") {
			t.Errorf("docs/envoy.md does not have\n%s", f.Data)
		}
	}
}
