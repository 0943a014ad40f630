package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// limit bounds every wait for a condition.
const limit = 60 * time.Second

// binary is the tagproc under test, built with the race detector.
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tagproc-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "tagproc")
	build := exec.Command("go", "build", "-race", "-o", binary, "github.com/tagproc/tagproc/cmd/tagproc")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "couldn't build tagproc: %v\n%s", err, out)
		return 1
	}
	// A program with the race detector sleeps for a second when it ends, in case a
	// race is just being reported.
	if err := os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=50"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// eventually waits until condition holds; what describes it for the failure.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
	}
}
