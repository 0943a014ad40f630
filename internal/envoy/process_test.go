package envoy

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// One listener that answers by itself, and one on a socket in a directory that is
// filled in.
const config = `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: hello
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains: &chains
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: hello
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                direct_response: {status: 200, body: {inline_string: hello}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  - name: socket
    address: {pipe: {path: /SOCKET}}
    filter_chains: *chains
`

// testConfig is config with its socket in a directory of the test's own.
func testConfig(t *testing.T) []byte {
	t.Helper()
	c, err := Template(config, nil, map[string]string{"/SOCKET": filepath.Join(t.TempDir(), "s")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(t *testing.T, addr string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestProcess(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	first, second := testConfig(t), testConfig(t)

	p, err := Start(t.Context(), Options{Config: first})
	if err != nil {
		t.Fatal(err)
	}
	other, err := Start(t.Context(), Options{Config: second})
	if err != nil {
		t.Fatal(err)
	}
	if p.Admin == other.Admin || p.Listeners["hello"] == other.Listeners["hello"] {
		t.Errorf("two processes have one address: %s %v, %s %v", p.Admin, p.Listeners, other.Admin, other.Listeners)
	}
	if err := other.Stop(); err != nil {
		t.Error(err)
	}

	if got := get(t, p.Listeners["hello"]); got != "hello" {
		t.Errorf("the listener answers %q, want %q", got, "hello")
	}
	if got := p.Listeners["socket"]; filepath.Base(got) != "s" {
		t.Errorf("Listeners[socket] = %q, want the path of the socket", got)
	}
	for name, want := range map[string]uint64{
		"http.hello.downstream_rq_total":           1,
		"http.hello.downstream_rq_5xx":             0,
		"listener_manager.listener_create_failure": 0,
	} {
		if got, err := p.Stat(t.Context(), name); got != want || err != nil {
			t.Errorf("Stat(%s) = %d, %v; want %d", name, got, err, want)
		}
	}
	if got, err := p.Stat(t.Context(), "http.hello.downstream_rq_"); err == nil || !strings.Contains(err.Error(), "has no stat http.hello.downstream_rq_") {
		t.Errorf("Stat of an unknown name = %d, %v; want an error that names it", got, err)
	}

	pid := p.cmd.Process.Pid
	for range 2 {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("after Stop, signal 0 to process %d: %v, want %v", pid, err, syscall.ESRCH)
	}
	if left := entries(t, tmp); len(left) > 0 {
		t.Errorf("files left behind: %q", left)
	}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

func TestStartFails(t *testing.T) {
	notEnvoy := filepath.Join(t.TempDir(), "envoy")
	if err := os.WriteFile(notEnvoy, []byte("#!/bin/sh\necho what is this >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		options Options
		want    []string
	}{
		{"bad configuration", Options{Config: []byte("static_resources: {listeners: [{unknown: x}]}")}, []string{"envoy ended by itself: exit status 1", "unknown"}},
		{"no such binary", Options{Binary: "/nonexistent/envoy"}, []string{"couldn't start Envoy", "/nonexistent/envoy", "no such file"}},
		{"not an Envoy", Options{Binary: notEnvoy}, []string{"envoy ended by itself: exit status 3", "\twhat is this"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tmp := t.TempDir()
			t.Setenv("TMPDIR", tmp)
			p, err := Start(t.Context(), tt.options)
			if err == nil {
				t.Fatalf("Start succeeded; Stop: %v", p.Stop())
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error = %v, want it to say %q", err, want)
				}
			}
			if left := entries(t, tmp); len(left) > 0 {
				t.Errorf("files left behind: %q", left)
			}
		})
	}
}

// A process that runs but is never live ends when the context does.
func TestStartGivesUp(t *testing.T) {
	t.Parallel()
	deaf := filepath.Join(t.TempDir(), "envoy")
	if err := os.WriteFile(deaf, []byte("#!/bin/sh\necho waiting for nothing\nexec sleep 600\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	log := &tail{next: writerFunc(func([]byte) { cancel() })}
	p, err := Start(ctx, Options{Binary: deaf, Log: log})
	if err == nil {
		t.Fatalf("Start succeeded; Stop: %v", p.Stop())
	}
	for _, want := range []string{"waited for Envoy to be live: context canceled", "\twaiting for nothing"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want it to say %q", err, want)
		}
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }

func TestEndedByItself(t *testing.T) {
	t.Parallel()
	p, err := Start(t.Context(), Options{Config: testConfig(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	select {
	case <-p.Done():
	case <-time.After(time.Minute):
		t.Error("Done is not closed after the process was killed")
	}
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "envoy ended by itself: signal: killed") {
		t.Errorf("Stop = %v, want an error that says how Envoy ended", err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("second Stop = %v, want nil", err)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	l := &tail{next: &all}
	if got := l.String(); got != "\t(empty)" {
		t.Errorf("String of an empty log = %q", got)
	}
	first := "first\n" + strings.Repeat("x", tailSize/2) + "\n"
	for _, s := range []string{first, strings.Repeat("y", tailSize/2-3) + "\n", "last\n"} {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("Write = %d, %v; want %d", n, err, len(s))
		}
	}
	if want := "\t" + strings.Repeat("y", tailSize/2-3) + "\n\tlast"; l.String() != want {
		t.Errorf("String = %q, want %q", l.String(), want)
	}
	if !strings.HasPrefix(all.String(), "first\n") {
		t.Error("the start of the log was not passed on")
	}
}
