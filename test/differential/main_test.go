package differential

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/program"
)

// limit bounds every wait for a condition.
const limit = 60 * time.Second

var (
	full = flag.Bool("full", false, "send 10,000 requests through each Envoy, and build tagproc without the race detector")
	seed = flag.Uint64("seed", 1, "which requests are generated")
)

// binary is the path of the tagproc under test.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(program.Run(m, func(dir string) error {
		binary = filepath.Join(dir, "tagproc")
		return program.Build(binary, fmt.Sprintf("-race=%t", !*full))
	}))
}
