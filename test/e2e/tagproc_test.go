package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/internal/transcript"
	"github.com/tagproc/tagproc/rules"
)

// owned are the tag headers that internal/mesh/envoy.yaml names, as flags for the
// walk-throughs' manifests, which cannot declare any.
var owned = []string{"--tag-header", "x-asm-prefer-tag", "--tag-header-prefix", "appver"}

// A tagproc is a running server with a rules file of its own.
type tagproc struct {
	rulesFile string
	socket    string // of the admin API
	cmd       *exec.Cmd
	log       *transcript.Transcript
	stopped   bool
}

func (p *tagproc) admin() program.Admin { return program.Admin(p.socket) }

// start runs tagproc on a Unix socket until the test ends.
func start(t *testing.T, socket, rulesFile string, flags ...string) *tagproc {
	t.Helper()
	return startOn(t, "unix://"+socket, rulesFile, flags...)
}

// startOn does the same on any address that serve takes.
func startOn(t *testing.T, address, rulesFile string, flags ...string) *tagproc {
	t.Helper()
	p := &tagproc{rulesFile: rulesFile, socket: filepath.Join(t.TempDir(), "admin.sock"), log: &transcript.Transcript{}}
	args := append([]string{"serve", "--rules", rulesFile, "--listen", address, "--admin", "unix://" + p.socket}, flags...)
	p.cmd = exec.Command(binary, args...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(t) })
	eventually(t, "tagproc is ready", func() bool {
		_, err := p.get("/readyz")
		return err == nil
	})
	return p
}

// port returns the port that tagproc took where it was to listen on port 0.
func (p *tagproc) port(t *testing.T) (port int) {
	t.Helper()
	eventually(t, "the log has the address", func() bool {
		port = program.Port(p.log.String())
		return port != 0
	})
	return port
}

// stop ends tagproc by SIGTERM. It must end well, and without a data race.
func (p *tagproc) stop(t *testing.T) {
	t.Helper()
	if p.stopped {
		return
	}
	p.stopped = true
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("tagproc ended with %v", err)
	}
	if t.Failed() || strings.Contains(p.log.String(), "DATA RACE") {
		t.Errorf("the log of tagproc:\n%s", p.log.String())
	}
}

// kill ends tagproc by SIGKILL, as the kernel does.
func (p *tagproc) kill(t *testing.T) {
	t.Helper()
	p.stopped = true
	if err := p.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := p.cmd.Wait(); err == nil {
		t.Error("a tagproc that was killed ended well")
	}
}

// get asks the admin API.
func (p *tagproc) get(path string) (string, error) { return p.admin().Get(path) }

// metric returns the sum of the samples of a metric whose line matches.
func (p *tagproc) metric(t *testing.T, line string) float64 {
	t.Helper()
	v, err := p.admin().Metric(line)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// awaitRules waits until the rules of src are live.
func (p *tagproc) awaitRules(t *testing.T, src []byte, o rules.Options) {
	t.Helper()
	eventually(t, "the new rules are live", func() bool {
		live, err := p.admin().Serves(src, o)
		if err != nil {
			t.Fatal(err)
		}
		return live
	})
}

// replace puts src in the place of the rules file in one step.
func (p *tagproc) replace(t *testing.T, src []byte) {
	t.Helper()
	writeFile(t, p.rulesFile+".new", src)
	if err := os.Rename(p.rulesFile+".new", p.rulesFile); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path string, src []byte) {
	t.Helper()
	if err := os.WriteFile(path, src, 0o600); err != nil {
		t.Fatal(err)
	}
}
