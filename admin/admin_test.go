package admin

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
)

func TestMain(m *testing.M) { leak.Main(m) }

func load(t testing.TB, src string) rulefile.Load {
	t.Helper()
	table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
	return rulefile.Load{Table: table, Problems: problems, Source: []byte(src)}
}

func TestHandler(t *testing.T) {
	registry := prometheus.NewRegistry()
	NewReloads(registry)
	var notReady error
	handler := Handler(registry, func() error { return notReady }, Options{})
	get := func(method, path string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, "http://localhost"+path, nil))
		body, err := io.ReadAll(w.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		return w.Code, string(body)
	}
	for _, tt := range []struct {
		method, path string
		notReady     error
		status       int
		body         string
	}{
		{"GET", "/healthz", nil, 200, "ok"},
		{"GET", "/healthz", errors.New("draining"), 200, "ok"},
		{"GET", "/readyz", nil, 200, "ready"},
		{"GET", "/readyz", errors.New("draining"), 503, "draining"},
		{"GET", "/metrics", nil, 200, "tagproc_config_last_reload_successful 0"},
		{"GET", "/", nil, 200, "/readyz"},
		{"GET", "/nope", nil, 404, ""},
		{"POST", "/readyz", nil, http.StatusMethodNotAllowed, ""},
	} {
		notReady = tt.notReady
		if status, body := get(tt.method, tt.path); status != tt.status || !strings.Contains(body, tt.body) {
			t.Errorf("%s %s with ready %v = %d %q, want %d with %q", tt.method, tt.path, tt.notReady, status, body, tt.status, tt.body)
		}
	}
}

func TestReloads(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewReloads(registry)
	first := load(t, "rules: [{header: x-user-id, tagHeader: tag, policies: [{range: 20, tagValue: s2}]}]")
	second := load(t, "rules: []")
	m.Record(first)
	stamp := testutil.ToFloat64(m.timestamp)
	m.Record(load(t, ""))
	if got := testutil.ToFloat64(m.timestamp); got != stamp || stamp == 0 {
		t.Errorf("timestamp after a failure = %v, want that of the success, %v", got, stamp)
	}
	expect := func(successful, digest, count string) {
		t.Helper()
		want := `
# HELP tagproc_config_last_reload_successful 1 if the current rules file is live; 0 if it is refused and older rules are live.
# TYPE tagproc_config_last_reload_successful gauge
tagproc_config_last_reload_successful ` + successful + `
# HELP tagproc_rules Number of live rules.
# TYPE tagproc_rules gauge
tagproc_rules ` + count + `
# HELP tagproc_rules_info 1, with the digest of the live rules: replicas with equal digests decide equally.
# TYPE tagproc_rules_info gauge
tagproc_rules_info{digest="` + digest + `"} 1
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "tagproc_config_last_reload_successful", "tagproc_rules_info", "tagproc_rules"); err != nil {
			t.Error(err)
		}
	}
	expect("0", first.Table.Digest(), "1")
	m.Record(second)
	expect("1", second.Table.Digest(), "0")

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
}
