package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/program"
)

// limit bounds every wait for a condition.
const limit = 60 * time.Second

// binary is the tagproc under test, built with the race detector.
var binary string

func TestMain(m *testing.M) {
	os.Exit(program.Run(m, func(dir string) error {
		binary = filepath.Join(dir, "tagproc")
		// A program with the race detector sleeps for a second when it ends, in case a
		// race is just being reported.
		return errors.Join(
			program.Build(binary, "-race"),
			os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=50"),
		)
	}))
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
