package monitoring

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/child"
	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/internal/transcript"
)

// limit bounds every wait for a condition.
const limit = 3 * time.Minute

// eventually waits until condition holds; what describes it for the failure.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
	}
}

// A process runs until it is killed, or the test ends.
type process struct {
	cmd  *exec.Cmd
	log  *transcript.Transcript
	done <-chan struct{}
}

func run(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, log: &transcript.Transcript{}}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	var err error
	if p.done, err = child.Start(cmd, func() { _ = cmd.Wait() }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			text := p.log.String()
			t.Logf("the end of the log of %s:\n%s", filepath.Base(cmd.Path), text[max(0, len(text)-2000):])
		}
	})
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
	<-p.done
}

// logged waits until the log matches, and returns what the group of the expression is.
func (p *process) logged(t *testing.T, expression string) (group string) {
	t.Helper()
	eventually(t, "the log matches "+expression, func() bool {
		select {
		case <-p.done:
			t.Fatalf("%s ended:\n%s", p.cmd.Path, p.log.String())
		default:
		}
		found := regexp.MustCompile(expression).FindStringSubmatch(p.log.String())
		if found != nil {
			group = found[1]
		}
		return found != nil
	})
	return group
}

// A tagproc is a replica.
type tagproc struct {
	*process
	rules  string // its file
	listen string // where Envoy connects
	admin  string // HOST:PORT
}

// startTagproc starts a replica with its own copy of the rules. variable, NAME=VALUE, is one more
// of its environment; one that obeys TAGPROC_FAULT has it.
func startTagproc(t *testing.T, rules, variable string, flags ...string) *tagproc {
	t.Helper()
	binary := filepath.Join(binaries, "tagproc")
	tags := "-tags="
	if strings.HasPrefix(variable, "TAGPROC_FAULT=") {
		binary, tags = binary+"-faulty", "-tags=tagproc_faults"
	}
	if _, err := os.Stat(binary); err != nil {
		if err := program.Build(binary, tags); err != nil {
			t.Fatal(err)
		}
	}
	r := &tagproc{rules: filepath.Join(t.TempDir(), "rules.yaml")}
	r.write(t, rules)
	cmd := exec.Command(binary, append([]string{"serve", "--rules", r.rules, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, flags...)...)
	if variable != "" {
		cmd.Env = append(os.Environ(), variable)
	}
	r.process = run(t, cmd)
	r.listen = r.logged(t, `msg=listening address=(\S+)`)
	r.admin = r.logged(t, `msg="listening for administration" address=(\S+)`)
	return r
}

// write replaces the rules file.
func (r *tagproc) write(t *testing.T, rules string) {
	t.Helper()
	if err := os.WriteFile(r.rules+".new", []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(r.rules+".new", r.rules); err != nil {
		t.Fatal(err)
	}
}

// findPrometheus returns a Prometheus, and skips the test where there is none.
func findPrometheus(t *testing.T) string {
	t.Helper()
	names := []string{os.Getenv("PROMETHEUS"), "../../.prometheus/usr/bin/prometheus"}
	if path, err := exec.LookPath("prometheus"); err == nil {
		names = append(names, path)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && !info.IsDir() {
			return name
		}
	}
	t.Skip("there is no Prometheus: tools/get-prometheus provides one")
	return ""
}

// A server is a running Prometheus.
type server struct {
	*process
	url string
}

// startPrometheus starts a server with the alerts of a file. It scrapes each 3 seconds what targets names
// by instance: HOST:PORT of tagproc, and of Envoy.
func startPrometheus(t *testing.T, alerts, envoy string, targets map[string]string) *server {
	t.Helper()
	binary, dir := findPrometheus(t), t.TempDir()
	var replicas strings.Builder
	for name, address := range targets {
		fmt.Fprintf(&replicas, "  - {targets: [%q], labels: {instance: %s}}\n", address, name)
	}
	config := `global: {scrape_interval: 3s, scrape_timeout: 3s, evaluation_interval: 1s}
rule_files: [alerts.yaml]
scrape_configs:
- job_name: tagproc
  static_configs:
` + replicas.String() + `- job_name: envoy
  metrics_path: /stats/prometheus
  static_configs: [{targets: ["` + envoy + `"]}]
`
	for name, text := range map[string]string{"prometheus.yaml": config, "alerts.yaml": alerts} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := run(t, exec.Command(binary, "--config.file", filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", "127.0.0.1:0"))
	return &server{p, "http://" + p.logged(t, `msg="Listening on" address=(127\.0\.0\.1:[1-9]\d*)`)}
}

// get asks the API. A server that is busy, or not ready, says nothing.
func (p *server) get(t *testing.T, path string, data any) bool {
	t.Helper()
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(p.url + "/api/v1/" + path)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode == http.StatusServiceUnavailable {
		return false
	}
	if answer.Status != "success" {
		t.Fatalf("Prometheus says to %s: %s", path, answer.Error)
	}
	return true
}

// An alert is one that Prometheus has raised.
type alert struct {
	Labels map[string]string
	State  string
}

// alerts returns those that fire or will; ok is false where Prometheus does not say.
func (p *server) alerts(t *testing.T) (all []alert, ok bool) {
	t.Helper()
	var data struct{ Alerts []alert }
	ok = p.get(t, "alerts", &data)
	return data.Alerts, ok
}

// results returns how many series an expression has.
func (p *server) results(t *testing.T, expression string) int {
	t.Helper()
	var data struct{ Result []json.RawMessage }
	p.get(t, "query?query="+url.QueryEscape(expression), &data)
	return len(data.Result)
}
