package envoygateway

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tagproc/tagproc/internal/isolate"
	"github.com/tagproc/tagproc/internal/program"
)

// programsEnv names, to the isolated tests, the directory of tagproc and Envoy Gateway.
const programsEnv = "TAGPROC_TEST_PROGRAMS"

// root is the directory of the product's module.
const root = "../.."

// programs is the directory of what was built.
var programs = os.Getenv(programsEnv)

func TestMain(m *testing.M) {
	if !isolate.Isolated() {
		// Envoy Gateway has ports that no setting changes.
		os.Exit(program.Run(isolate.Tests(func() []string { return []string{programsEnv + "=" + programs} }), build))
	}
	if err := isolate.Prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(program.Run(m, func(string) error { return nil }))
}

// build builds what the tests run, while there is a network.
func build(dir string) error {
	programs = dir
	return errors.Join(
		compile(dir, "github.com/tagproc/tagproc/cmd/tagproc"),
		compile(dir, "-modfile=tools/envoy-gateway.mod", "github.com/envoyproxy/gateway/cmd/envoy-gateway"),
	)
}

// compile builds a command, with what it needs of tools/ or go.mod.
func compile(dir string, args ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-trimpath", "-buildvcs=false", "-o", dir + "/"}, args...)...)
	cmd.Dir = filepath.Clean(root)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("couldn't build %s: %w\n%s", args[len(args)-1], err, out)
	}
	return nil
}
