package deploy

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tagproc/tagproc/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEnvoyUnixDiffersInOneLine(t *testing.T) {
	t.Parallel()
	const (
		tcp  = "address: {socket_address: {address: 127.0.0.1, port_value: 9002}}"
		unix = "address: {pipe: {path: /run/tagproc.sock}}"
	)
	if n := strings.Count(Envoy, tcp); n != 1 {
		t.Fatalf("envoy.yaml has %d lines %q, want 1", n, tcp)
	}
	want := strings.Split(strings.Replace(Envoy, tcp, unix, 1), "\n")
	got := strings.Split(EnvoyUnix, "\n")
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("envoy-unix.yaml:%d:\n\t%q\nwant, as envoy.yaml with the socket's address:\n\t%q", i+1, g, w)
		}
	}
}

// TestRules checks that the example rules have no problem, and own the headers that
// Envoy's configuration names in its three places.
func TestRules(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("envoy/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	table, problems := rules.Load("rules.yaml", src, rules.Options{})
	if problems = exceptCohorts(problems); table == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, header := range table.Owned().Headers {
		spelled := strings.ReplaceAll(header, "-", "[^a-z0-9]")
		for _, place := range []string{`key_matcher: {safe_regex: {regex: "` + spelled + `"}}`, `- safe_regex: {regex: "` + spelled + `"}`, `regex: "` + spelled + "|"} {
			if !strings.Contains(Envoy, place) {
				t.Errorf("envoy.yaml has no %q", place)
			}
		}
	}
	for _, prefix := range table.Owned().Prefixes {
		for _, place := range []string{"key_matcher: {prefix: " + prefix, "- prefix: " + prefix, "|" + prefix + ".*"} {
			if !strings.Contains(Envoy, place) {
				t.Errorf("envoy.yaml has no %q", place)
			}
		}
	}
	for _, key := range table.Keys() {
		if !strings.Contains(Envoy, "- exact: "+key.Name) {
			t.Errorf("envoy.yaml does not forward the key %s", key.Name)
		}
	}
}
