package monitoring

import (
	"os"
	"testing"

	"github.com/tagproc/tagproc/internal/program"
)

// binaries is where tagproc is built.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(program.Run(m, func(dir string) error {
		binaries = dir
		return nil
	}))
}
