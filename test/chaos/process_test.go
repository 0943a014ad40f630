package chaos

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/child"
	"github.com/tagproc/tagproc/internal/machine"
	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/internal/transcript"
	"github.com/tagproc/tagproc/rules"
)

// memoryLimit is that of the container that the documentation describes, and tagproc's
// default where it finds no limit.
const memoryLimit = 256 << 20

// A command is how a tagproc is to run.
type command struct {
	rulesFile string
	listen    []string // what --listen takes
	flags     []string // further ones of serve
	env       []string // further variables, NAME=VALUE
	faulty    bool     // the binary that obeys TAGPROC_FAULT

	as *syscall.Credential // whom it runs as; nil: the user of the test
}

// A tagproc is a running server.
type tagproc struct {
	command command
	socket  string // of the admin API

	cmd  *exec.Cmd
	log  *transcript.Transcript
	done <-chan struct{} // closed when the process has ended
	end  time.Time       // when it did; to be read after done
}

func (p *tagproc) admin() program.Admin { return program.Admin(p.socket) }

// start runs tagproc until the test ends, and returns when it is ready.
func (b *bed) start(t *testing.T, c command) *tagproc {
	t.Helper()
	p := b.launch(t, c)
	p.awaitReady(t)
	return p
}

// launch runs tagproc until the test ends.
func (b *bed) launch(t *testing.T, c command) *tagproc {
	t.Helper()
	binary, err := plain()
	if c.faulty {
		binary, err = faulty()
	}
	if err != nil {
		t.Fatal(err)
	}
	p := &tagproc{
		command: c, socket: filepath.Join(b.tempDir(t), "admin.sock"),
		log: &transcript.Transcript{},
	}
	args := []string{
		"serve", "--rules", c.rulesFile, "--admin", "unix://" + p.socket,
		"--max-request-headers", "200", "--max-request-headers-kb", "128", // as the gateway has them
	}
	for _, address := range c.listen {
		args = append(args, "--listen", address)
	}
	p.cmd = exec.Command(binary, append(args, c.flags...)...)
	p.cmd.Env = append(os.Environ(), c.env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if c.as != nil {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
		giveTo(t, c.as, filepath.Dir(p.socket))
	}
	if p.done, err = child.Start(p.cmd, func() {
		_ = p.cmd.Wait() // how it ended stands in cmd.ProcessState
		p.end = time.Now()
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cleanUp(t) })
	go p.watchMemory(b.findings)
	return p
}

// watchMemory tells f the most memory that the process ever had.
func (p *tagproc) watchMemory(f *findings) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if bytes, err := machine.PeakResidentBytes(p.pid()); err == nil { // not of one that has ended
			f.sawMemory(bytes)
		}
		select {
		case <-p.done:
			return
		case <-tick.C:
		}
	}
}

func (p *tagproc) cleanUp(t *testing.T) {
	t.Helper()
	if p.running() {
		p.signal(t, syscall.SIGCONT) // a suspended process does not end
		p.terminate(t)
	}
	if strings.Contains(p.log.String(), "DATA RACE") || t.Failed() {
		t.Errorf("the log of tagproc:\n%s", p.log.String())
	}
}

func (p *tagproc) pid() int { return p.cmd.Process.Pid }

func (p *tagproc) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *tagproc) awaitReady(t *testing.T) {
	t.Helper()
	eventually(t, "tagproc is ready", func() bool {
		if !p.running() {
			t.Fatalf("tagproc ended: %v\n%s", p.cmd.ProcessState, p.log.String())
		}
		_, err := p.get("/readyz")
		return err == nil
	})
}

func (p *tagproc) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("couldn't send %v: %v", s, err)
	}
}

// kill ends the process by SIGKILL.
func (p *tagproc) kill(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	<-p.done
}

// terminate ends the process by SIGTERM and returns how long it took. It must end
// well.
func (p *tagproc) terminate(t *testing.T) time.Duration {
	t.Helper()
	start := time.Now()
	p.signal(t, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(limit):
		p.kill(t)
		t.Fatalf("tagproc runs on %v after SIGTERM:\n%s", limit, p.log.String())
	}
	if !p.cmd.ProcessState.Success() {
		t.Errorf("tagproc ended with %v", p.cmd.ProcessState)
	}
	return p.end.Sub(start)
}

// get asks the admin API.
func (p *tagproc) get(path string) (string, error) { return p.admin().Get(path) }

// metric returns the sum of the samples whose line matches.
func (p *tagproc) metric(t *testing.T, line string) float64 {
	t.Helper()
	v, err := p.admin().Metric(line)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// serves reports whether the rules of src are live.
func (p *tagproc) serves(t *testing.T, src []byte) bool {
	t.Helper()
	live, err := p.admin().Serves(src, rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return live
}
