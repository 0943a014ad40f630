package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	shipped, err := os.ReadFile("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, old, replacement, want string }{
		{"as it is", "", "", ""},
		{"an unknown key", "sboms:", "sbom:", "sbom"},
		{"no SBOM of the sources", "artifacts: source", "artifacts: none", "sboms: none has artifacts: source"},
		{"checksums that nobody signs", "artifacts: checksum", "artifacts: none", "signs: none has artifacts: checksum"},
		{"no chart", "    - glob: bin/chart/tagproc-*.tgz\n", "", "extra_files: release and checksum"},
		{"tagproc-mesh in tagproc's archive", "ids: [tagproc-mesh]", "ids: [tagproc, tagproc-mesh]", "tagproc-mesh has no build and archive of its own"},
		{"another version", "version: 2", "version: 1", "version: 1"},
	} {
		file := filepath.Join(t.TempDir(), "goreleaser.yaml")
		text := strings.Replace(string(shipped), tt.old, tt.replacement, 1)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := check(file); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: check() = %v, want %q", tt.name, err, tt.want)
		}
	}
}
