package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/leak"
)

// limit bounds every wait for a condition.
const limit = 60 * time.Second

// built are the programs under test, with the race detector, without ghz.
var built binaries

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tagproc-loadtest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	for _, program := range []struct {
		module, path string
		binary       *string
	}{
		{"..", "./cmd/tagproc", &built.tagproc},
		{".", "./textbook", &built.textbook},
	} {
		*program.binary = filepath.Join(dir, filepath.Base(program.path))
		build := exec.Command("go", "build", "-race", "-o", *program.binary, program.path)
		build.Dir = program.module
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "couldn't build %s: %v\n%s", program.path, err, out)
			return 1
		}
	}
	return leak.Run(m)
}
