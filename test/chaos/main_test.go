package chaos

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/program"
)

// limit bounds every wait for a condition.
const limit = 60 * time.Second

var (
	full   = flag.Bool("full", false, "run the full figures, judge time and memory too, print the table")
	only   = flag.String("rows", "", "run the rows whose name matches this `REGEXP`")
	out    = flag.String("out", "", "with -full: write the table into this Markdown `FILE`, between its marks")
	divide = flag.Int("divide", 1, "with -full: divide the figures by `N`, to try a row")
)

// Where the programs under test are built.
var binaries string

func TestMain(m *testing.M) {
	if line := os.Getenv(roleVariable); line != "" {
		os.Exit(play(line))
	}
	flag.Parse()
	os.Exit(program.Run(m, func(dir string) error {
		binaries = dir
		if err := raiseFileLimit(); err != nil {
			return fmt.Errorf("couldn't raise the limit of open files: %w", err)
		}
		return nil
	}))
}

// plain builds tagproc, and faulty the one that obeys TAGPROC_FAULT. Both have the
// race detector unless time and memory are judged.
var (
	plain  = sync.OnceValues(func() (string, error) { return build("tagproc") })
	faulty = sync.OnceValues(func() (string, error) { return build("tagproc-faulty", "-tags=tagproc_faults") })
)

func build(name string, flags ...string) (string, error) {
	binary := filepath.Join(binaries, name)
	return binary, program.Build(binary, append(flags, fmt.Sprintf("-race=%t", !*full))...)
}

// eventually waits until condition holds; what describes it for the failure.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	within(t, limit, what, condition)
}

// within is eventually with a limit of its own.
func within(t *testing.T, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
	}
}
