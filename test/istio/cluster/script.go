package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/child"
	"github.com/tagproc/tagproc/internal/transcript"
)

// A Shell runs blocks of shell, as someone does who copies them out of a document:
// what a block exports is there in the next.
type Shell struct {
	c     *Cluster
	dir   string // where blocks run
	state string // what was exported
	env   []string
}

// NewShell returns a Shell whose blocks run in dir, with more in the environment, as
// NAME=value. On the PATH are kubectl, for this cluster, and tagproc before what the
// machine has, and a small curl behind; GATEWAY is the gateway's host:port if there is one.
func (c *Cluster) NewShell(t testing.TB, dir string, env ...string) *Shell {
	t.Helper()
	own, err := os.MkdirTemp(c.dir, "shell-") //nolint:usetesting // a socket is in it: the path has to be short
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(own, "kubectl")
	if err := c.serveKubectl(t, socket); err != nil {
		t.Fatal(err)
	}
	s := &Shell{c: c, dir: dir, state: filepath.Join(own, "exported")}
	s.env = append([]string{
		"PATH=" + programs + ":" + os.Getenv("PATH") + ":" + filepath.Join(programs, fallback),
		"HOME=" + t.TempDir(),
		"TMPDIR=" + t.TempDir(),
		"LC_ALL=C",
		"KUBECTL_SOCKET=" + socket,
	}, env...)
	if !c.options.NoGateway {
		s.env = append(s.env, "GATEWAY="+c.GatewayAddress(t))
	}
	return s
}

// Run runs a block with bash -euo pipefail and returns what it prints, standard
// output and error together. A block that fails fails the test.
func (s *Shell) Run(t testing.TB, text string) string {
	t.Helper()
	out, err := s.Try(text)
	if err != nil {
		t.Fatalf("%v\n%s\n--- the block was:\n%s", err, out, text)
	}
	return out
}

// Try is Run with an error instead of a failure.
func (s *Shell) Try(text string) (string, error) {
	file := s.state + ".sh"
	script := fmt.Sprintf("[ -f %[1]s ] && . %[1]s\ntrap 'export -p > %[1]s' EXIT\n%s\n", s.state, text)
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return "", err
	}
	cmd := exec.Command("bash", "-euo", "pipefail", file)
	cmd.Dir, cmd.Env = s.dir, s.env
	var out transcript.Transcript
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // where a block leaves something running
	done, err := child.Start(cmd, nil)
	if err != nil {
		return "", err
	}
	select {
	case <-done:
	case <-time.After(limit):
		err = errors.Join(fmt.Errorf("the block still runs after %v", limit), syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
		<-done
	}
	if err == nil && !cmd.ProcessState.Success() {
		err = fmt.Errorf("the block ended with %v", cmd.ProcessState)
	}
	return out.String(), err
}

// RunScript is a Shell's Run of one block.
func (c *Cluster) RunScript(t testing.TB, dir, text string, env ...string) string {
	t.Helper()
	return c.NewShell(t, dir, env...).Run(t, text)
}
