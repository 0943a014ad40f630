//go:build unix

package envoy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFindRunsNoStrangersFile checks that a binary which another user has put above
// the working directory is refused.
func TestFindRunsNoStrangersFile(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, place(Version))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 65534, -1); err != nil {
		t.Skipf("only root can give files away: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if got, err := find("", root); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("find = %q, %v, want a refusal", got, err)
	}
}
