package main

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestDocsDiff checks that docs/rollouts.md shows what diff prints, as the script has it.
func TestDocsDiff(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/script/diff.txtar")
	if err != nil {
		t.Fatal(err)
	}
	text := section(t, readDoc(t, "../../docs/rollouts.md"), "Who moves")
	for _, f := range archive.Files {
		if f.Name == "diff.txt" && strings.Contains(text, "$ tagproc diff rules.yaml new.yaml\n"+string(f.Data)+"```\n") {
			return
		}
	}
	t.Error("docs/rollouts.md does not show the diff.txt of testdata/script/diff.txtar")
}
