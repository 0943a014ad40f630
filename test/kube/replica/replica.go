// Package replica runs replicas of tagproc beside a cluster: as processes that are pods to
// nobody, with the accounts that their pods would have.
package replica

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/child"
	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/internal/transcript"
	"github.com/tagproc/tagproc/test/kube/cluster"
)

// Limit bounds every wait for a condition.
const Limit = 2 * time.Minute

// Eventually waits until condition returns nil.
func Eventually(t testing.TB, what string, condition func() error) {
	t.Helper()
	cluster.Eventually(t, Limit, what, condition)
}

// A Replica is a running tagproc.
type Replica struct {
	Admin program.Admin
	Log   *transcript.Transcript
}

// Says returns an error unless the answer of a path of the admin port has a text.
func (r *Replica) Says(path, want string) error {
	body, err := r.Admin.Get(path)
	if err == nil && !strings.Contains(body, want) {
		err = errors.New(path + " has no " + want)
	}
	return err
}

// Serve starts a replica, which ends with the test. args are flags of serve besides those
// that say where it listens.
func Serve(t testing.TB, tagproc string, args ...string) *Replica {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "admin.sock")
	cmd := exec.Command(tagproc, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "unix://" + socket}, args...)...)
	log := &transcript.Transcript{}
	cmd.Stdout, cmd.Stderr = log, log
	done, err := child.Start(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Errorf("tagproc has ended: %v", cmd.ProcessState)
		}
		<-done
		if t.Failed() {
			t.Logf("the log of tagproc:\n%s", log.String())
		}
	})
	return &Replica{program.Admin(socket), log}
}
