package main

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPrograms makes an image of two programs: the first, which it runs, is in a module of
// its own below the other's.
func TestPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":               "module example.com/outer\n\ngo 1.27.0\n\ntoolchain " + pinned(t) + "\n",
		"cmd/one/main.go":      "package main\n\nvar version string\n\nfunc main() { println(version) }\n",
		"sub/go.mod":           "module example.com/outer/sub\n\ngo 1.27.0\n\ntoolchain " + pinned(t) + "\n",
		"sub/cmd/deep/main.go": "package main\n\nvar version string\n\nfunc main() { println(version) }\n",
	} {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	images, err := target{Packages: []string{"./sub/cmd/deep", "./cmd/one"}}.make(t.Context(), builder{dir, pinned(t)}, testCommit, architectures[:1])
	if err != nil {
		t.Fatal(err)
	}
	config, err := images[0].ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/deep"}, config.Config.Entrypoint); diff != "" {
		t.Errorf("entry point (-want +got):\n%s", diff)
	}
	var names []string
	for header := range contents(t, images[0]) {
		if !strings.HasPrefix(header.Name, "etc/") {
			names = append(names, header.FileInfo().Mode().String()+" "+header.Name)
		}
	}
	if diff := cmp.Diff([]string{"-rwxr-xr-x deep", "-rwxr-xr-x one"}, names); diff != "" {
		t.Errorf("programs (-want +got):\n%s", diff)
	}
}

// TestMakefile checks that the packages that the Makefile makes images of are programs,
// and that one of the images has both programs of tagproc.
func TestMakefile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	both := false
	targets := regexp.MustCompile(`\btagproc/[a-z-]+=[./a-z,-]+`).FindAllString(string(text), -1)
	for _, arg := range targets {
		parsed, err := parseTargets([]string{arg}, "v1")
		if err != nil {
			t.Error(err)
			continue
		}
		programs := map[string]bool{}
		for _, pkg := range parsed[0].Packages {
			programs[path.Base(pkg)] = true
			list := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Name}}")
			var within string
			list.Dir, within = builder{Root: root}.module(pkg)
			list.Args = append(list.Args, within)
			if name, err := output(list); err != nil || strings.TrimSpace(string(name)) != "main" {
				t.Errorf("%s: %s is a package %q, %v, want main", arg, pkg, name, err)
			}
		}
		both = both || programs["tagproc"] && programs["tagproc-mesh"]
	}
	if len(targets) != 3 || !both {
		t.Errorf("the Makefile makes images %q, want three of them, one with tagproc and tagproc-mesh", targets)
	}
}
