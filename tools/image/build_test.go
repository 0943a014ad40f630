package main

import (
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestReproducible builds once more: from another directory, on a machine that is
// set up in another way.
func TestReproducible(t *testing.T) {
	want := digests(t, tagproc(t))

	elsewhere := t.TempDir()
	copyModule(t, elsewhere)
	for key, value := range map[string]string{
		"TZ": "Asia/Tokyo", "GOFLAGS": "-tags=netgo", "GOAMD64": "v3", "GOARM64": "v9.0", "CGO_ENABLED": "1", "HOME": elsewhere,
		"GOCACHE": goEnv(t, "GOCACHE"), "GOPATH": goEnv(t, "GOPATH"), // which HOME decides otherwise
	} {
		t.Setenv(key, value)
	}
	b := builder{Root: elsewhere, Toolchain: pinned(t)}
	images, err := target{Packages: []string{"./cmd/tagproc"}}.make(t.Context(), b, testCommit, architectures)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, digests(t, images)); diff != "" {
		t.Errorf("digests of a second build (-first +second):\n%s", diff)
	}
}

// TestCheck looks at a binary that was not built as images are: this test's.
func TestCheck(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	err = builder{Toolchain: "go1.0"}.check(self, "mips")
	if err == nil {
		t.Fatalf("check(%q): no error", self)
	}
	for _, want := range []string{"go.mod names go1.0", `GOARCH=`, `want "mips"; see go env`, "built without -trimpath=true"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("check(%q) = %q, want %q in it", self, err, want)
		}
	}
}

// TestStatic looks into the binaries: for their architecture, and with no need of a
// loader or a library.
func TestStatic(t *testing.T) {
	t.Parallel()
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	for i, image := range tagproc(t) {
		dir := t.TempDir()
		unpack(t, image, dir)
		binary, err := elf.Open(filepath.Join(dir, "tagproc"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = binary.Close() })
		if want := machines[architectures[i]]; binary.Machine != want {
			t.Errorf("machine of %s's binary = %v, want %v", architectures[i], binary.Machine, want)
		}
		for _, p := range binary.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s's binary has a segment %v: it is not static", architectures[i], p.Type)
			}
		}
	}
}

func digests(t *testing.T, images []v1.Image) []string {
	t.Helper()
	var all []string
	for _, image := range images {
		digest, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, digest.String())
	}
	return all
}

// copyModule copies the module around this one, without what git ignores.
func copyModule(t *testing.T, to string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	names, err := output(cmd)
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) { // deleted, and not committed yet
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, content, info.Mode().Perm()&0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	value, err := output(exec.CommandContext(t.Context(), "go", "env", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(value))
}
