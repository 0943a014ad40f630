package program

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/tagproc/tagproc/internal/leak"
)

// Build builds tagproc into the file binary, which is a full path. flags are those of go
// build, such as -race. It works in every module that has tagproc's own among its
// dependencies: the program is built in its own, whose go.sum has all that it imports.
func Build(binary string, flags ...string) error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tagproc/tagproc").Output()
	if err != nil {
		return fmt.Errorf("couldn't find the module of tagproc: %w", err)
	}
	build := exec.Command("go", append(append([]string{"build", "-o", binary}, flags...), "./cmd/tagproc")...)
	build.Dir = strings.TrimSpace(string(root))
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("couldn't build tagproc: %w\n%s", err, out)
	}
	return nil
}

// Tests are the tests of a package: a *testing.M.
type Tests = leak.Tests

// Run runs tests and returns the exit code. prepare is called before, with a
// directory for binaries that is removed afterwards. Tests that leave a goroutine
// behind fail.
func Run(tests Tests, prepare func(dir string) error) int {
	dir, err := os.MkdirTemp("", "tagproc-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	if err := prepare(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return leak.Run(tests)
}
