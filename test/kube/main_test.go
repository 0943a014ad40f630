package kube

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/test/kube/cluster"
)

// root is the directory of the product's module.
const root = "../.."

var full = flag.Bool("full", false, "make 100 edits, judge time, and print the table")

// What the tests run.
var (
	programs string // directory of Kubernetes
	tagproc  string
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(program.Run(m, func(dir string) (err error) {
		tagproc = filepath.Join(dir, "tagproc")
		build := exec.Command("go", "build", "-o", tagproc, "./cmd/tagproc")
		build.Dir = root // whose module has what it imports
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("couldn't build tagproc: %w\n%s", err, out)
		}
		programs, err = cluster.Build(root)
		return err
	}))
}
