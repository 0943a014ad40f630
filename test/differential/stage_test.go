package differential

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/internal/transcript"
)

// rulesFile is what tagproc serves: the rules of the example.
const rulesFile = "../../deploy/envoy/rules.yaml"

// A stage is an Envoy between clients and an upstream that says what reached it.
type stage struct {
	upstream *echo.Server
	envoy    *envoy.Process
}

// newStage runs an Envoy until the test ends, with the processor that listens on a port
// of 127.0.0.1. edit is as in configure.
func newStage(t *testing.T, version string, processorPort int, edit func(ingress object)) *stage {
	t.Helper()
	path, err := envoy.FindVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	upstream, err := echo.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := upstream.Close(); err != nil {
			t.Error(err)
		}
	})
	config, err := configure(version, processorPort, upstream.Port(), edit)
	if err != nil {
		t.Fatal(err)
	}
	process, err := envoy.Start(t.Context(), envoy.Options{Binary: path, Config: config, Concurrency: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &stage{upstream: upstream, envoy: process}
}

// startTagproc runs tagproc until the test ends, with the limits of
// mesh.Config, and returns its port.
func startTagproc(t *testing.T) int {
	t.Helper()
	return program.Port(startTagprocWith(t, rulesFile, "127.0.0.1:0", "--max-request-headers", "200", "--max-request-headers-kb", "128").String())
}

// startTagprocWith does the same with other rules, on any address that serve takes and
// with any flags, and returns its log, which has the address.
func startTagprocWith(t *testing.T, rulesFile, address string, flags ...string) *transcript.Transcript {
	t.Helper()
	log := &transcript.Transcript{}
	args := []string{"serve", "--rules", rulesFile, "--listen", address, "--admin", "unix://" + filepath.Join(t.TempDir(), "admin.sock")}
	cmd := exec.Command(binary, append(args, flags...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("tagproc ended with %v", err)
		}
		if t.Failed() || strings.Contains(log.String(), "DATA RACE") {
			t.Errorf("the log of tagproc:\n%s", log.String())
		}
	})
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if strings.Contains(log.String(), "msg=listening") {
			return log
		}
	}
	t.Fatalf("tagproc does not listen; its log:\n%s", log.String())
	return nil
}
