//go:build unix

package inplace

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestPipe checks that a pipe is refused, and that nobody waits for its other end.
func TestPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "rules.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, do := range map[string]func() error{
		"Replace":   func() error { return Replace(t.Context(), pipe, content(1), content(2)) },
		"unchanged": func() error { return unchanged(pipe, content(1)) },
	} {
		ended := make(chan error, 1)
		go func() { ended <- do() }()
		select {
		case err := <-ended:
			if !errors.Is(err, errIrregular) && !errors.Is(err, ErrChanged) {
				t.Errorf("%s of a pipe = %v", what, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s waits for a pipe", what)
		}
	}
}
