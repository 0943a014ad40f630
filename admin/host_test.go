package admin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestHost checks which Hosts the pages take, and that probes and Prometheus may
// ask by any.
func TestHost(t *testing.T) {
	t.Parallel()
	handler := Handler(prometheus.NewRegistry(), func() error { return nil }, Options{Pprof: true, Hosts: []string{"tagproc.example"}})
	status := func(path, host string) (int, string) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		body, _ := io.ReadAll(w.Result().Body)
		return w.Code, string(body)
	}
	for host, want := range map[string]int{
		"127.0.0.1":                     200,
		"127.0.0.1:9090":                200,
		"10.1.2.3:9090":                 200,
		"[::1]:9090":                    200,
		"[fe80::1%25eth0]:9090":         200,
		"::1":                           200,
		"localhost":                     200,
		"LOCALHOST:9090":                200,
		"localhost.":                    200,
		"tagproc.localhost":             200,
		"":                              200,
		"tagproc":                       200,
		"tagproc:9090":                  200,
		"tagproc.istio-system.svc":      200,
		"tagproc.istio-system.svc:9090": 200,
		"tagproc.istio-system.svc.cluster.local.": 200,
		"tagproc.example":                         200,
		"TAGPROC.example.:80":                     200,
		"attacker.example":                        421,
		"attacker.example:9090":                   421,
		"127.0.0.1.attacker.example":              421,
		"x.tagproc.example":                       421,
		"tagproc.example.attacker.example":        421,
		"svc.attacker.example":                    421,
		"attacker.svc.example":                    421,
		"127.0.0.1@attacker.example":              421,
		"tagproc.istio-system":                    421,
		"localhost.attacker.example.:9090":        421,
	} {
		for _, path := range []string{"/", "/debug/pprof/cmdline"} {
			if got, _ := status(path, host); got != want {
				t.Errorf("GET %s with Host %q = %d, want %d", path, host, got, want)
			}
		}
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			if got, _ := status(path, host); got != 200 {
				t.Errorf("GET %s with Host %q = %d, want 200", path, host, got)
			}
		}
	}
	_, body := status("/", "attacker.example")
	if want := "\"attacker.example\" is not a name of tagproc: use its address, or start tagproc with --admin-host and that name\n"; body != want {
		t.Errorf("the answer is %q, want %q", body, want)
	}
}

// TestAnswersAreShort checks that no answer repeats what a peer sent at length.
func TestAnswersAreShort(t *testing.T) {
	t.Parallel()
	handler := Handler(prometheus.NewRegistry(), func() error { return nil }, Options{Pprof: true})
	long := strings.Repeat("x", 1<<20)
	for name, r := range map[string]*http.Request{
		"path":     httptest.NewRequest(http.MethodGet, "/"+long, nil),
		"redirect": httptest.NewRequest(http.MethodGet, "//"+long, nil),
		"host":     httptest.NewRequest(http.MethodGet, "/", nil),
		"method":   httptest.NewRequest(long, "/healthz", nil),
		"pprof":    httptest.NewRequest(http.MethodGet, "/debug/pprof/"+long[:1000], nil),
	} {
		r.Host = "localhost"
		if name == "host" {
			r.Host = long + ".example"
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		size := w.Body.Len()
		for key, values := range w.Header() {
			size += len(key) + len(strings.Join(values, ""))
		}
		if size > 2<<10 || w.Code < 300 {
			t.Errorf("%s: status %d with %d bytes, want an error of at most 2 KiB", name, w.Code, size)
		}
	}
}
