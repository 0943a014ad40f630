package envoy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVersionsArePinned checks that the Makefile fetches what the tests look for.
func TestVersionsArePinned(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		Version:         "../../tools/envoy-requirements.txt",
		PreviousVersion: "../../tools/envoy-previous-requirements.txt",
	}
	for _, version := range Versions() {
		src, err := os.ReadFile(files[version])
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(src), "\nenvoy-server=="+version+" ") {
			t.Errorf("%s, by which `make envoys` fetches Envoy, does not pin %s", files[version], version)
		}
		// Linux x86_64, Linux aarch64, macOS arm64.
		if n := strings.Count(string(src), "--hash=sha256:"); n != 3 {
			t.Errorf("%s has %d hashes, want one for each of 3 platforms", files[version], n)
		}
	}
	if len(files) != len(Versions()) {
		t.Errorf("Versions() = %q, want the %d releases that are pinned", Versions(), len(files))
	}
}

// executable writes a script that says of itself that it is a release of Envoy.
func executable(t *testing.T, version string, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\necho\necho \"$0  version: 0123456789abcdef/%s/Clean/RELEASE/BoringSSL\"\necho\n", version)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	onPath, root, bare, empty := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	byPath := executable(t, PreviousVersion, onPath, "envoy")
	byMake := executable(t, Version, root, place(Version))
	byMakePrevious := executable(t, PreviousVersion, root, place(PreviousVersion))
	byEnv := executable(t, "1.2.3", bare, "my-envoy")
	broken := filepath.Join(bare, "no-envoy")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho /"+Version+"/\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct {
		name, env, path, dir string
		version              string // empty: any
		want, wantErr        string
	}{
		{name: "ENVOY before all", env: byEnv, path: onPath, dir: root, want: byEnv},
		{name: "PATH before make", path: onPath, dir: root, want: byPath},
		{name: "make, here", path: empty, dir: root, want: byMake},
		{name: "make, above", path: empty, dir: below, want: byMake},
		{name: "none", path: empty, dir: empty, wantErr: "run `make envoy`, or set ENVOY"},
		{name: "ENVOY is wrong", env: filepath.Join(empty, "none"), path: onPath, dir: root, wantErr: "couldn't use ENVOY=" + filepath.Join(empty, "none")},

		{name: "ENVOY is the release", version: "1.2.3", env: byEnv, path: onPath, dir: root, want: byEnv},
		{name: "PATH is the release", version: PreviousVersion, path: onPath, dir: root, want: byPath},
		{name: "ENVOY is another release", version: Version, env: byEnv, path: empty, dir: root, want: byMake},
		{name: "PATH is another release", version: Version, path: onPath, dir: root, want: byMake},
		{name: "ENVOY hides PATH", version: PreviousVersion, env: byEnv, path: onPath, dir: root, want: byMakePrevious},
		{name: "part of a release's number", version: "2.3", env: byEnv, path: empty, dir: empty, wantErr: "found no Envoy 2.3"},
		{name: "ENVOY says nothing of use", version: Version, env: broken, path: empty, dir: root, want: byMake},
		{name: "the release, above", version: PreviousVersion, path: empty, dir: below, want: byMakePrevious},
		{name: "no such release", version: "1.2.3", path: onPath, dir: root, wantErr: "found no Envoy 1.2.3: neither $ENVOY nor envoy on PATH is one, and there is no " + place("1.2.3")},
		{name: "a release, ENVOY is wrong", version: Version, env: filepath.Join(empty, "none"), path: onPath, dir: root, wantErr: "couldn't use ENVOY=" + filepath.Join(empty, "none")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PATH", tt.path)
			got, err := find(tt.env, tt.dir)
			if tt.version != "" {
				got, err = findVersion(tt.version, tt.env, tt.dir)
			}
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("found %q, %v; want an error that says %q", got, err, tt.wantErr)
				}
				return
			}
			if got != tt.want || err != nil {
				t.Errorf("found %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}
