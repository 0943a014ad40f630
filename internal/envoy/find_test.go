package envoy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVersionIsPinned(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../tools/envoy-requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(src), "\nenvoy-server=="+Version+" ") {
		t.Errorf("tools/envoy-requirements.txt, by which `make envoy` fetches Envoy, does not pin Version %s", Version)
	}
}

func TestFind(t *testing.T) {
	onPath, root, empty := t.TempDir(), t.TempDir(), t.TempDir()
	executable := func(elem ...string) string {
		path := filepath.Join(elem...)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	byPath := executable(onPath, "envoy")
	byMake := executable(root, installed)
	byEnv := executable(empty, "my-envoy")
	below := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct {
		name, env, path, dir string
		want, wantErr        string
	}{
		{name: "ENVOY before all", env: byEnv, path: onPath, dir: root, want: byEnv},
		{name: "PATH before make", path: onPath, dir: root, want: byPath},
		{name: "make, here", path: empty, dir: root, want: byMake},
		{name: "make, above", path: empty, dir: below, want: byMake},
		{name: "none", path: empty, dir: empty, wantErr: "run `make envoy`, or set ENVOY"},
		{name: "ENVOY is wrong", env: filepath.Join(empty, "none"), path: onPath, dir: root, wantErr: "couldn't use ENVOY=" + filepath.Join(empty, "none")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PATH", tt.path)
			got, err := find(tt.env, tt.dir)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("find = %q, %v; want an error that says %q", got, err, tt.wantErr)
				}
				return
			}
			if got != tt.want || err != nil {
				t.Errorf("find = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}
