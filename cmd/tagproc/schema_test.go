package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSchema checks that schema prints what is committed, and that the examples which are
// rules in no manifest name it.
func TestSchema(t *testing.T) {
	if out, code := printed(t, "schema"); code != exitOK || out != readDoc(t, "../../docs/rules.schema.json") {
		t.Errorf("schema: exit code %d, and not docs/rules.schema.json", code)
	}
	found := 0
	err := filepath.WalkDir("../../deploy", func(path string, d fs.DirEntry, err error) error {
		switch base := filepath.Base(path); {
		case err != nil:
			return err
		case base == "envoyfilter" || base == "kustomize" || base == "helm": // what convert prints, what is applied from elsewhere, and values of a chart
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".yaml":
			return nil
		}
		text := readDoc(t, path)
		if strings.Contains(text, "\nkind:") || !strings.Contains("\n"+text, "\nrules:") {
			return nil
		}
		found++
		first, _, _ := strings.Cut(text, "\n")
		schema, named := strings.CutPrefix(first, "# yaml-language-server: $schema=")
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), filepath.FromSlash(schema))); !named || err != nil {
			t.Errorf("%s begins with %q, want a line that leads to the schema (%v)", path, first, err)
		}
		return nil
	})
	if err != nil || found < 6 {
		t.Errorf("%d examples (%v), want at least 6", found, err)
	}
}
