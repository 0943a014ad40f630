package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/child"
	"github.com/tagproc/tagproc/internal/transcript"
)

// A process is one of the programs of a cluster.
type process struct {
	name string
	path string
	args []string
	log  *transcript.Transcript
	cmd  *exec.Cmd
	done <-chan struct{}
}

// start starts a program of the cluster, which is killed with the test, and shows the end
// of its log where the test fails.
func (c *Cluster) start(t testing.TB, name string, args ...string) *process {
	t.Helper()
	p := &process{name: name, path: filepath.Join(c.options.Programs, name), args: args, log: &transcript.Transcript{}}
	p.restart(t)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", name, p.tail())
		}
	})
	return p
}

// restart starts the program, which does not run.
func (p *process) restart(t testing.TB) {
	t.Helper()
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	var err error
	if p.done, err = child.Start(p.cmd, nil); err != nil {
		t.Fatal(err)
	}
}

// kill ends the program. What it would save is not needed: its directory is the test's.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// await waits until condition returns nil.
func (p *process) await(t testing.TB, what string, condition func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = condition(); err == nil {
			return
		}
		select {
		case <-p.done:
			t.Fatalf("%s ended: %v", p.name, p.cmd.ProcessState)
		default:
		}
	}
	t.Fatalf("waited %v in vain: %s: %v", limit, what, err)
}

// tail returns the last lines of the log.
func (p *process) tail() string {
	lines := strings.Split(p.log.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-60):], "\n")
}

// freePorts returns ports of the loopback that nobody listens on. They are below those that
// the kernel gives away. The same ports of UDP are open until the test ends, so that no other
// test, in this process or another, is given one before the program listens there.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range 1000 {
		if len(ports) == n {
			return ports
		}
		port := 20000 + rand.IntN(10000)
		taken, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = taken.Close() })
		l, err := net.Listen("tcp", taken.LocalAddr().String())
		if err != nil {
			continue
		}
		l.Close()
		ports = append(ports, port)
	}
	t.Fatalf("found %d free ports of the loopback from 20000 on, want %d", len(ports), n)
	return nil
}

// local returns the URL of a port of the loopback.
func local(scheme string, port int) string { return fmt.Sprintf("%s://127.0.0.1:%d", scheme, port) }
