package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMakeBuild runs "make build" in a clone, in one with untracked files, in an archive
// that git made, and in that archive within somebody else's repository. It checks that
// all make the same binary, and that it knows its version, with a tag and without.
func TestMakeBuild(t *testing.T) {
	t.Setenv("GOFLAGS", "") // which may hide what "make build" does not say
	t.Setenv("GOENV", "off")
	t.Setenv("GOPROXY", goEnv(t, "GOPROXY"))
	dir := t.TempDir()
	origin := filepath.Join(dir, "origin")
	copyModule(t, origin)
	git := func(dir string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Dir = dir
		text, err := output(cmd)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	git(origin, "init", "-q")
	git(origin, "add", "-A")
	git(origin, "commit", "-q", "-m", "everything")

	for _, tag := range []string{"", "v1.2.3"} {
		want := git(origin, "rev-parse", "HEAD")[:12]
		if tag != "" {
			git(origin, "tag", tag)
			want = tag
		}
		places := filepath.Join(dir, "places"+tag)
		clone, untracked := filepath.Join(places, "clone"), filepath.Join(places, "untracked")
		git(dir, "clone", "-q", origin, clone)
		git(dir, "clone", "-q", origin, untracked)
		touch(t, filepath.Join(untracked, "untracked"))
		touch(t, filepath.Join(untracked, "cmd", "tagproc", "notes.txt"))
		archive, vendored := filepath.Join(places, "archive"), filepath.Join(places, "theirs", "tagproc")
		for _, to := range []string{archive, vendored} {
			if err := os.MkdirAll(to, 0o700); err != nil {
				t.Fatal(err)
			}
			git(origin, "archive", "-o", filepath.Join(places, "tagproc.tar"), "HEAD")
			if _, err := output(exec.CommandContext(t.Context(), "tar", "-xf", filepath.Join(places, "tagproc.tar"), "-C", to)); err != nil {
				t.Fatal(err)
			}
		}
		theirs := filepath.Dir(vendored)
		git(theirs, "init", "-q")
		touch(t, filepath.Join(theirs, "README"))
		git(theirs, "add", "README")
		git(theirs, "commit", "-q", "-m", "theirs")

		sums := map[string]string{}
		for _, place := range []string{clone, untracked, archive, vendored} {
			cmd := exec.CommandContext(t.Context(), "make", "build")
			cmd.Dir = place
			if _, err := output(cmd); err != nil {
				t.Fatal(err)
			}
			binary := filepath.Join(place, "bin", "tagproc")
			text, err := output(exec.CommandContext(t.Context(), binary, "--version"))
			if err != nil || !strings.Contains(string(text), want) {
				t.Errorf("%s: --version = %q, %v; want %s in it", place, text, err, want)
			}
			content, err := os.ReadFile(binary)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(content)
			sums[hex.EncodeToString(sum[:])] += " " + place
		}
		if len(sums) != 1 {
			t.Errorf("tag %q: binaries by hash: %v; want one hash", tag, sums)
		}
	}
}

func touch(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(name, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}
