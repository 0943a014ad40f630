package manifests

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/internal/program"
)

// limit bounds every wait for a condition.
const limit = 60 * time.Second

// root is the directory of the product's module.
const root = "../../.."

// tagproc is the program under test, with the race detector.
var tagproc string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	libraries := goleak.IgnoreCurrent() // what Istio's libraries start when they are linked
	dir, err := os.MkdirTemp("", "tagproc-manifests-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // tagproc runs as another user
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	tagproc = filepath.Join(dir, "tagproc")
	if err := program.Build(tagproc, "-race"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if code == 0 {
		if err := leak.Find(libraries); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}
