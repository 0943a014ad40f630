package e2e

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/chain"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/mesh"
	"github.com/tagproc/tagproc/internal/transcript"
	"github.com/tagproc/tagproc/internal/walkthrough"
	"github.com/tagproc/tagproc/rules"
)

var declared = rules.Options{TagHeaders: rules.Owned{Headers: []string{"x-asm-prefer-tag"}, Prefixes: []string{"appver"}}}

// startMesh runs the applications and an Envoy that looks for tagproc on socket,
// with mesh.ConfigUnix.
func startMesh(t *testing.T, envoy, socket string) *mesh.Mesh {
	t.Helper()
	return startMeshWith(t, mesh.Options{Binary: envoy, Tagproc: &net.UnixAddr{Name: socket, Net: "unix"}})
}

// startMeshWith does the same with any options. TCP makes it
// mesh.Config.
func startMeshWith(t *testing.T, o mesh.Options) *mesh.Mesh {
	t.Helper()
	m, _ := startMeshAndLog(t, o)
	return m
}

// startMeshAndLog does the same, and returns the log of Envoy beside it, the lines
// of the access log in it.
func startMeshAndLog(t *testing.T, o mesh.Options) (*mesh.Mesh, *transcript.Transcript) {
	t.Helper()
	log := &transcript.Transcript{}
	o.Log = log
	m, err := mesh.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the log of Envoy:\n%s", log.String())
		}
	})
	return m, log
}

// promoted says which baseline runs another version than at the start, in the
// steps that promote one.
var promoted = map[string][2]string{
	"1, promoted": {"mockc", "v2"},
	"2, step 4":   {"app-c", "v3"},
}

// TestWalkthroughs takes one running Envoy, whose configuration never changes,
// and one running tagproc through every step of both walk-throughs: each is an
// edit of the rules file, and where a version is promoted another version behind
// a baseline.
func TestWalkthroughs(t *testing.T) {
	envoytest.Each(t, testWalkthroughs)
}

func testWalkthroughs(t *testing.T, envoy string) {
	t.Helper()
	t.Parallel()
	t.Run("Unix socket", func(t *testing.T) {
		dir := t.TempDir()
		socket, rulesFile := filepath.Join(dir, "tagproc.sock"), filepath.Join(dir, "rules.yaml")
		m := startMesh(t, envoy, socket)
		writeFile(t, rulesFile, []byte("rules: []\n"))
		walk(t, m, start(t, socket, rulesFile, owned...))
	})
	t.Run("TCP", func(t *testing.T) {
		rulesFile := filepath.Join(t.TempDir(), "rules.yaml")
		writeFile(t, rulesFile, []byte("rules: []\n"))
		p := startOn(t, "127.0.0.1:0", rulesFile, owned...)
		address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.port(t)}
		walk(t, startMeshWith(t, mesh.Options{Binary: envoy, Tagproc: address}), p)
	})
}

// walk goes through the steps, and at last stops tagproc.
func walk(t *testing.T, m *mesh.Mesh, p *tagproc) {
	t.Helper()
	steps, err := walkthrough.Steps()
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		t.Run(step.Name, func(t *testing.T) {
			src, err := step.Rules()
			if err != nil {
				t.Fatal(err)
			}
			setVersions(t, m, step)
			p.replace(t, src)
			p.awaitRules(t, src, declared)
			for _, u := range step.Users {
				checkUser(t, m, p, step, u)
			}
		})
	}

	// Where no manifest is in force there may as well be no tagproc.
	p.stop(t)
	for _, step := range steps {
		if step.Manifest != "none" {
			continue
		}
		t.Run(step.Name+", tagproc stopped", func(t *testing.T) {
			setVersions(t, m, step)
			for _, u := range step.Users {
				trace, err := m.Get(t.Context(), step.Chain[0], http.Header{"X-User-Id": {u.ID}})
				if err != nil {
					t.Fatalf("%s: %v", u.ID, err)
				}
				checkVersions(t, u, trace)
			}
		})
	}
}

func setVersions(t *testing.T, m *mesh.Mesh, step walkthrough.Step) {
	t.Helper()
	m.Reset()
	for name, p := range promoted {
		if strings.HasPrefix(step.Name, name) {
			if err := m.Promote(p[0], p[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// checkUser checks the tags that tagproc wrote, by its counters and by what the
// first application saw, and the version of each application.
func checkUser(t *testing.T, m *mesh.Mesh, p *tagproc, step walkthrough.Step, u walkthrough.User) {
	t.Helper()
	counter := func(header, value string) string {
		return fmt.Sprintf(`tagproc_decisions_total{key="header x-user-id",mode="enforce",reason="policy",rule=%q,tag=%q}`, header, value)
	}
	written := func() map[string]float64 {
		counts := map[string]float64{"any": p.metric(t, `tagproc_decisions_total\{.*tag="[^"]+"\}`)}
		for header, value := range u.Tags {
			counts[header] = p.metric(t, strings.NewReplacer("{", `\{`, "}", `\}`).Replace(counter(header, value)))
		}
		return counts
	}
	var before, after map[string]float64
	var trace chain.Trace
	if err := m.Patiently(t.Context(), func() (err error) {
		before = written()
		trace, err = m.Get(t.Context(), step.Chain[0], http.Header{"X-User-Id": {u.ID}})
		after = written()
		return err
	}); err != nil {
		t.Fatalf("%s: %v", u.ID, err)
	}
	checkVersions(t, u, trace)
	for header := range u.Tags {
		if after[header] != before[header]+1 {
			t.Errorf("%s: the counter of %s: %s rose by %v, want 1", u.ID, header, u.Tags[header], after[header]-before[header])
		}
	}
	if got := after["any"] - before["any"]; got != float64(len(u.Tags)) {
		t.Errorf("%s: %v tags written, want %d", u.ID, got, len(u.Tags))
	}
	seen := map[string]string{}
	for header, values := range trace[0].Tags {
		seen[header] = strings.Join(values, ",")
	}
	want := u.Tags
	if u.ID == "jason" {
		want = map[string]string{"x-asm-prefer-tag": "s2"} // the route of the named user overwrites the tag
	}
	if !maps.Equal(seen, want) {
		t.Errorf("%s: %s saw the tags %v, want %v", u.ID, step.Chain[0], seen, want)
	}
}

// checkVersions checks the version of each application.
func checkVersions(t *testing.T, u walkthrough.User, trace chain.Trace) {
	t.Helper()
	if got := trace.Versions(); !maps.Equal(got, u.Versions) {
		t.Errorf("%s reached %v, want %v", u.ID, got, u.Versions)
	}
}
