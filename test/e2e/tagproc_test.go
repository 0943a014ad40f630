package e2e

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tagproc/tagproc/internal/transcript"
	"github.com/tagproc/tagproc/rules"
)

// owned are the tag headers that deploy/envoy/envoy.yaml names, as flags for the
// walk-throughs' manifests, which cannot declare any.
var owned = []string{"--tag-header", "x-asm-prefer-tag", "--tag-header-prefix", "appver"}

// A tagproc is a running server with a rules file of its own.
type tagproc struct {
	rulesFile string
	admin     string // a Unix socket
	cmd       *exec.Cmd
	log       *transcript.Transcript
	stopped   bool
}

// start runs tagproc on a Unix socket until the test ends.
func start(t *testing.T, socket, rulesFile string, flags ...string) *tagproc {
	t.Helper()
	return startOn(t, "unix://"+socket, rulesFile, flags...)
}

// startOn does the same on any address that serve takes.
func startOn(t *testing.T, address, rulesFile string, flags ...string) *tagproc {
	t.Helper()
	p := &tagproc{rulesFile: rulesFile, admin: filepath.Join(t.TempDir(), "admin.sock"), log: &transcript.Transcript{}}
	args := append([]string{"serve", "--rules", rulesFile, "--listen", address, "--admin", "unix://" + p.admin}, flags...)
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
func (p *tagproc) port(t *testing.T) int {
	t.Helper()
	var m []string
	eventually(t, "the log has the address", func() bool {
		m = regexp.MustCompile(`msg=listening address=127\.0\.0\.1:(\d+)`).FindStringSubmatch(p.log.String())
		return m != nil
	})
	port, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
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

// get asks the admin API.
func (p *tagproc) get(path string) (string, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", p.admin)
		},
	}}
	response, err := client.Get("http://admin" + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(body), err
}

// metric returns the sum of the samples of a metric whose line matches.
func (p *tagproc) metric(t *testing.T, line string) float64 {
	t.Helper()
	body, err := p.get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, m := range regexp.MustCompile(`(?m)^`+line+` (\S+)$`).FindAllStringSubmatch(body, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	return sum
}

// awaitRules waits until the rules of src are live.
func (p *tagproc) awaitRules(t *testing.T, src []byte, o rules.Options) {
	t.Helper()
	table, problems := rules.Load("rules.yaml", src, o)
	if table == nil {
		t.Fatal(problems.Err())
	}
	eventually(t, "the rules "+table.Digest()+" are live", func() bool {
		body, err := p.get("/metrics")
		return err == nil && strings.Contains(body, `tagproc_rules_info{digest="`+table.Digest()+`"} 1`)
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
