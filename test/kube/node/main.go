package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tagproc/tagproc/internal/isolate"
	"github.com/tagproc/tagproc/internal/program"
)

// programsEnv says where Main has built programs.
const programsEnv = "TAGPROC_TEST_PROGRAMS"

// Programs is the directory that Main has given to build.
func Programs() string { return os.Getenv(programsEnv) }

// Main runs a package's tests in namespaces of their own, and returns the exit code.
// build is called before, where there is still a network, with a directory for programs.
func Main(tests program.Tests, build func(dir string) error) int {
	if !isolate.Isolated() {
		var programs string
		return program.Run(isolate.Tests(func() []string { return []string{programsEnv + "=" + programs} }), func(dir string) error {
			programs = dir
			return errors.Join(Compile(dir, "./internal/cmd/container"), build(dir))
		})
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return program.Run(tests, func(string) error { return nil })
}

// Compile builds commands of the module of internal/ into a directory, without libraries.
func Compile(dir string, commands ...string) error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tagproc/tagproc").Output()
	if err != nil {
		return fmt.Errorf("couldn't find the module of internal/: %w", err)
	}
	cmd := exec.Command("go", append([]string{"build", "-trimpath", "-o", dir + "/"}, commands...)...)
	cmd.Dir = strings.TrimSpace(string(root))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("couldn't build %s: %w\n%s", strings.Join(commands, " and "), err, out)
	}
	return nil
}

// shim becomes the process of a container.
func shim() string { return filepath.Join(Programs(), "container") }
