package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/transport"
)

// TestMountedAlone checks that a rules file that is a mount of its own is warned
// about, at the start, and again when it was renamed over its source; and
// that one in a directory that is mounted is live when it was.
func TestMountedAlone(t *testing.T) {
	t.Parallel()
	if out, err := exec.Command("unshare", "-rm", "true").CombinedOutput(); err != nil {
		t.Skipf("this user may not have mounts of their own: %v %s", err, out)
	}
	for name, alone := range map[string]bool{"file": true, "directory": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outside, inside, socket := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "admin.sock")
			from, to := filepath.Join(outside, "rules.yaml"), filepath.Join(inside, "rules.yaml")
			writeRules(t, from, oneRule)
			writeRules(t, to, oneRule)
			what, where := from, to
			if !alone {
				what, where = outside, inside
			}
			p := startProcess(t, `exec unshare -rm sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$0" "$@"' "$0" '`+what+`' '`+where+`' "$@";`,
				"serve", "--rules", to, "--listen", "127.0.0.1:0", "--admin", transport.UnixScheme+socket)
			p.awaitLog(t, "listening for administration")
			if got := strings.Contains(p.log.String(), "the rules file is mounted alone"); got != alone {
				t.Errorf("the log warns of the mount: %v, want %v:\n%s", got, alone, p.log.String())
			}
			writeRules(t, from, strings.Replace(oneRule, "s1", "s2", 1))
			if alone {
				p.awaitLog(t, "was replaced or removed at its source")
				if n, err := program.Admin(socket).Metric("tagproc_config_last_reload_successful"); n != 0 || err != nil {
					t.Errorf("the gauge is %v, %v, want 0", n, err)
				}
			} else {
				p.awaitLog(t, "s2 takes buckets")
			}
			p.signal(t, syscall.SIGTERM)
			if code := p.awaitEnd(t); code != 0 || strings.Contains(p.log.String(), "replaced or removed") != alone {
				t.Errorf("exit code %d; the log:\n%s", code, p.log.String())
			}
		})
	}
}
