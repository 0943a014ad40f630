//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPipeWithoutWriter checks that a command that reads a pipe into which nobody writes
// ends when it is told to, and says why.
func TestPipeWithoutWriter(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "rules.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"validate", pipe}, {"lint", pipe}, {"explain", "--rules", pipe, "-H", "x: y"}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cmd := newRootCommand()
		var out strings.Builder
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(args)
		ended := make(chan error, 1)
		go func() { ended <- cmd.ExecuteContext(ctx) }()
		cancel(errors.New("told to end"))
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%q succeeds", args)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%q goes on reading", args)
		}
		if !strings.Contains(out.String(), "told to end") {
			t.Errorf("%q says %q, want why it ended", args, out.String())
		}
		// What reads goes on until somebody opens the other end, which fails before it reads.
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if w, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				w.Close()
				break
			} else if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
}

// TestPipeInDirectory checks that lint leaves a pipe alone that it comes across, and says
// so: nobody may ever write into it.
func TestPipeInDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "rules.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := newRootCommand()
	var out strings.Builder
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs([]string{"lint", dir})
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(t.Context()) }()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(out.String(), "is a pipe or a device") {
			t.Errorf("lint ends with %v and says\n%s\nwant that a pipe is not read", err, out.String())
		}
	case <-time.After(time.Minute):
		t.Fatal("lint goes on reading")
	}
}
