package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"istio.io/istio/pilot/pkg/features"

	"github.com/tagproc/tagproc/internal/isolate"
	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/mesh/control"
	"github.com/tagproc/tagproc/test/istio/node"
)

// programs is the directory of what Main has built.
var programs string

const (
	programsEnv = "TAGPROC_TEST_PROGRAMS"
	fallback    = "fallback" // below programs: what is there where the machine has none
)

// Main runs a package's tests in namespaces of their own, with the programs that
// pods run built, and returns the exit code.
func Main(tests program.Tests) int {
	if !isolate.Isolated() {
		return program.Run(isolate.Tests(func() []string { return []string{programsEnv + "=" + programs} }), build)
	}
	programs = os.Getenv(programsEnv)
	if err := node.Prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Envoy as it is released lacks the filters of Istio's own build.
	features.MetadataExchange = false
	features.ALPNFilter = false
	control.Quiet() // what matters are the Envoys
	return program.Run(tests, func(string) error { return nil })
}

// build builds, while there is a network: tagproc and the sample application as
// their images have them, with the versions of the repository's go.mod, and what
// stands in for a cluster's programs.
func build(dir string) error {
	programs = dir
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("couldn't find the module of the tests: %w", err)
	}
	here := filepath.Dir(strings.TrimSpace(string(out)))
	return errors.Join(
		compile(dir, filepath.Join(here, "..", ".."), "./cmd/tagproc", "./deploy/samples/app", "./internal/cmd/container"),
		compile(dir, here, "./internal/cmd/kubectl", "./internal/cmd/otelapp"),
		os.Symlink("kubectl", filepath.Join(dir, "istioctl")),
		compile(filepath.Join(dir, fallback), here, "./internal/cmd/curl"),
	)
}

// compile builds commands of a module into a directory.
func compile(dir, module string, packages ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-trimpath", "-o", dir + "/"}, packages...)...)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("couldn't build %s: %w\n%s", strings.Join(packages, " and "), err, out)
	}
	return nil
}
