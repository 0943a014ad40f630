package kube

import (
	"flag"
	"os"
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
		if err := program.Build(tagproc); err != nil {
			return err
		}
		programs, err = cluster.Build(root)
		return err
	}))
}
