package differential

import (
	"flag"
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

var (
	full = flag.Bool("full", false, "send 10,000 requests through each Envoy, and build tagproc without the race detector")
	seed = flag.Uint64("seed", 1, "which requests are generated")
)

// program is the path of the tagproc under test.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tagproc-differential-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "tagproc")
	build := exec.Command("go", "build", fmt.Sprintf("-race=%t", !*full), "-o", program, "github.com/tagproc/tagproc/cmd/tagproc")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "couldn't build tagproc: %v\n%s", err, out)
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
