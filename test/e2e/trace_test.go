package e2e

import (
	"encoding/json"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/mesh"
)

// TestTrace checks that tagproc trace, which asks the admin port of Envoy, names the
// version that a request then reaches, also where Envoy is configured wrongly.
func TestTrace(t *testing.T) {
	const rules = lanes + `
- header: x-user-id
  tagHeader: appver-a
  policies: [{range: 10, tagValue: v2}]
`
	replaced := func(old, with string) func(string) string {
		return func(config string) string { return strings.Replace(config, old, with, 1) }
	}
	envoytest.Each(t, func(t *testing.T, envoy string) {
		t.Helper()
		t.Parallel()
		for _, tt := range []struct {
			name string
			edit func(string) string
			kind string // of what lint finds; "" for nothing
		}{
			{"as shipped", nil, ""},
			{"a key that is not forwarded", replaced("- exact: x-user-id", "- exact: x-user"), "forward-rules"},
			{"a tag that may not be written", replaced("[^a-z0-9]prefer[^a-z0-9]tag|appver.*|", "[^a-z0-9]tag|"), "mutation-rules"},
			{"the route stays", replaced("failure_mode_allow: true", "failure_mode_allow: true\n              route_cache_action: RETAIN"), "reply-ignored"},
			{"tags of clients are not removed early", withoutEarlyStripping(t), "early-stripping"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				dir := t.TempDir()
				socket, rulesFile := filepath.Join(dir, "tagproc.sock"), filepath.Join(dir, "rules.yaml")
				writeFile(t, rulesFile, []byte(rules))
				m := startMeshWith(t, mesh.Options{Binary: envoy, Tagproc: &net.UnixAddr{Name: socket, Net: "unix"}, Edit: tt.edit})
				start(t, socket, rulesFile)
				checkLint(t, m.Envoy.Admin, rulesFile, tt.kind)
				for _, lines := range [][]string{
					{"x-user-id: jack"}, {"x-user-id: jason"}, {"x-user-id: bob", "x-asm-prefer-tag: s2", "appver-a: v2"}, {"appver-a: v2"},
				} {
					admin := m.Envoy.Admin
					reached := get(t, m, "mocka", lines...)
					got := traced(t, rulesFile, lines, "mocka="+admin+"@ingress", "mockb="+admin+"@mesh", "mockc="+admin+"@mesh")
					if want := map[string]string{"v1": "mockc-baseline", "v2": "mockc-canary"}[reached[2].Version]; got != want {
						t.Errorf("%q: trace says %s, the request reached %s", lines, got, want)
					}
					reached = get(t, m, "app-a", lines...)
					got = traced(t, rulesFile, lines, "app-a="+admin+"@ingress")
					if want := map[string]string{"v1": "app-a-baseline", "v2": "app-a-canary"}[reached[0].Version]; got != want {
						t.Errorf("%q: trace says %s, the request reached %s", lines, got, want)
					}
				}
			})
		}
	})
}

// checkLint checks that lint finds errors of one kind in what a live Envoy says, or none.
func checkLint(t *testing.T, admin, rulesFile, kind string) {
	t.Helper()
	out, err := exec.Command(binary, "lint", "-o", "json", rulesFile, "--envoy", admin).Output()
	var report struct {
		Findings []struct{ Kind, Severity string }
	}
	if wrong := json.Unmarshal(out, &report); wrong != nil {
		t.Fatalf("lint: %v, %v: %s", err, wrong, out)
	}
	found := ""
	for _, f := range report.Findings {
		if f.Severity == "error" && f.Kind != found {
			found += f.Kind
		}
	}
	if found != kind {
		t.Errorf("lint finds errors of kind %q, want %q:\n%s", found, kind, out)
	}
}

// traced returns the cluster of the last hop by tagproc trace.
func traced(t *testing.T, rulesFile string, lines []string, envoys ...string) string {
	t.Helper()
	args := []string{"trace", "-o", "json", "--rules", rulesFile}
	for _, e := range envoys {
		args = append(args, "--envoy", e)
	}
	for _, l := range lines {
		args = append(args, "-H", l)
	}
	out, err := exec.Command(binary, args...).Output()
	if failed, is := errors.AsType[*exec.ExitError](err); is {
		t.Fatalf("%v: %s", err, failed.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	var way struct {
		Hops []struct {
			Clusters   []struct{ Name string }
			CannotTell []string
		}
	}
	if err := json.Unmarshal(out, &way); err != nil {
		t.Fatal(err)
	}
	for _, h := range way.Hops {
		if len(h.CannotTell) > 0 || len(h.Clusters) != 1 {
			t.Fatalf("trace of %q leaves something open: %s", lines, out)
		}
	}
	return way.Hops[len(way.Hops)-1].Clusters[0].Name
}
