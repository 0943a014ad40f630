package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/internal/stuck"
	"github.com/tagproc/tagproc/internal/transcript"
	"github.com/tagproc/tagproc/transport"
)

// A process is tagproc as a process of its own.
type process struct {
	*exec.Cmd

	log   transcript.Transcript
	ended chan struct{}
}

// startProcess runs tagproc until the test ends, by a shell that does setup before.
func startProcess(t *testing.T, setup string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// What testscript.Main runs goes by the name.
	command := filepath.Join(t.TempDir(), "tagproc")
	if err := os.Symlink(self, command); err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command("sh", append([]string{"-c", setup + ` exec "$0" "$@"`, command}, args...)...), ended: make(chan struct{})}
	p.Stdout, p.Stderr = &p.log, &p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.Wait() // its state is in ProcessState
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended
		<-p.ended
	})
	return p
}

// awaitLog waits until the log has a text.
func (p *process) awaitLog(t *testing.T, text string) {
	t.Helper()
	p.await(t, "the log has "+text, func() bool { return strings.Contains(p.log.String(), text) })
}

// await waits for a condition.
func (p *process) await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v not yet: %s; the log:\n%s", limit, what, p.log.String())
		}
	}
}

// awaitEnd waits until the process has ended, and returns its exit code.
func (p *process) awaitEnd(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit):
		t.Fatalf("tagproc does not end; the log:\n%s", p.log.String())
	}
	return p.ProcessState.ExitCode()
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// TestTerminateAtTheStart checks that SIGTERM ends tagproc in good order, and at
// once, while a file that it needs hangs.
func TestTerminateAtTheStart(t *testing.T) {
	t.Parallel()
	hangs := stuck.New(t)
	good := filepath.Join(t.TempDir(), "rules.yaml")
	writeRules(t, good, oneRule)
	for name, args := range map[string][]string{
		"rules":        {"--rules", hangs.File},
		"certificates": {"--rules", good, "--tls-cert", hangs.File, "--tls-key", good, "--start-without-rules"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProcess(t, "", append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", ""}, args...)...)
			p.awaitLog(t, "Go runtime")
			p.signal(t, syscall.SIGTERM)
			if code := p.awaitEnd(t); code != 0 || !strings.Contains(p.log.String(), `msg="stopped before it served" signal=terminated`) {
				t.Errorf("exit code %d, want 0, and the log:\n%s", code, p.log.String())
			}
		})
	}
}

// TestTerminateAnywhere checks that SIGTERM ends tagproc at whichever moment of its
// start it comes.
func TestTerminateAnywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "t.sock")
	writeRules(t, file, oneRule)
	for i := range 15 {
		p := startProcess(t, "", "serve", "--rules", file, "--listen", transport.UnixScheme+socket, "--admin", "")
		time.Sleep(time.Duration(i) * 10 * time.Millisecond) // the moment, and no condition
		p.signal(t, syscall.SIGTERM)
		// Before Go is there the signal itself ends the process.
		if code := p.awaitEnd(t); code != 0 && code != -1 {
			t.Errorf("after %d ms: exit code %d; the log:\n%s", 10*i, code, p.log.String())
		}
	}
}

// TestHangAtTheStart checks that rules that hang do not keep tagproc from starting
// without rules, and from ending, and that it serves once the file answers.
func TestHangAtTheStart(t *testing.T) {
	t.Parallel()
	hangs := stuck.New(t)
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "admin.sock")
	if err := os.Symlink(hangs.File, file); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, "", "serve", "--rules", file, "--start-without-rules", "--listen", "127.0.0.1:0", "--admin", transport.UnixScheme+socket)
	p.awaitLog(t, "no answer for 3s")
	if !strings.Contains(p.log.String(), "at="+file) {
		t.Errorf("the log does not name the file:\n%s", p.log.String())
	}
	admin := program.Admin(socket)
	p.await(t, "/healthz answers", func() bool { _, err := admin.Get("/healthz"); return err == nil })
	if n, err := admin.Metric("tagproc_config_last_reload_successful"); n != 0 || err != nil {
		t.Errorf("the gauge is %v, %v, want 0", n, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	writeRules(t, file, oneRule)
	p.await(t, "/readyz says yes", func() bool { _, err := admin.Get("/readyz"); return err == nil })
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(hangs.File, file); err != nil {
		t.Fatal(err)
	}
	p.await(t, "the gauge is 0", func() bool {
		n, err := admin.Metric("tagproc_config_last_reload_successful")
		return n == 0 && err == nil
	})
	p.signal(t, syscall.SIGTERM)
	if code := p.awaitEnd(t); code != 0 {
		t.Errorf("exit code %d; the log:\n%s", code, p.log.String())
	}
}

// TestHangupReloads checks that SIGHUP has the files read, and ends nothing.
func TestHangupReloads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "admin.sock")
	writeRules(t, file, oneRule)
	p := startProcess(t, "", "serve", "--rules", file, "--listen", "127.0.0.1:0", "--admin", transport.UnixScheme+socket)
	p.awaitLog(t, "listening for administration")
	for range 3 {
		before := strings.Count(p.log.String(), "reading the files")
		p.signal(t, syscall.SIGHUP)
		p.await(t, "SIGHUP is logged", func() bool { return strings.Count(p.log.String(), "reading the files") > before })
	}
	if _, err := program.Admin(socket).Get("/readyz"); err != nil {
		t.Errorf("after SIGHUP /readyz: %v", err)
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.awaitEnd(t); code != 0 {
		t.Errorf("exit code %d; the log:\n%s", code, p.log.String())
	}
}
