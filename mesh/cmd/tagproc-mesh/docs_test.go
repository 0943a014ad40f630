package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMain runs tagproc-mesh where the test's own binary is called so.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "tagproc-mesh" {
		main()
	}
	os.Exit(m.Run())
}

// program returns a directory that has tagproc-mesh.
func program(t *testing.T) (dir string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "tagproc-mesh")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestDocs runs the commands of docs/mesh.md at the root of the repository: each block
// prints what stands there.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/mesh.md")
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+program(t)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	blocks := regexp.MustCompile("(?ms)^```console\n(.*?\n)```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 3 {
		t.Errorf("docs/mesh.md has %d blocks of commands, want those of trace, of a chain and of lint", len(blocks))
	}
	for _, b := range blocks {
		var script, want strings.Builder
		for line := range strings.Lines(b[1]) {
			if command, is := strings.CutPrefix(line, "$ "); is {
				script.WriteString(command)
			} else {
				want.WriteString(line)
			}
		}
		t.Run(script.String(), func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "sh", "-c", script.String())
			cmd.Dir, cmd.Env = "../../..", env
			out, err := cmd.CombinedOutput()
			if string(out) != want.String() {
				t.Errorf("it prints (%v)\n%s\nwant\n%s", err, out, want.String())
			}
		})
	}
}
