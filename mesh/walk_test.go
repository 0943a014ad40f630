package mesh

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/internal/walkthrough"
	"github.com/tagproc/tagproc/istio/gateway"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

const samples = "../deploy/samples/"

// steps are the manifests in force at each step of the walk-throughs, in the order in
// which they are applied.
var steps = map[string][]string{
	"1: 20% of users to the canary lane": {"lanes/0-namespace", "lanes/1-sample", "lanes/2-gateway", "lanes/3-lanes", "lanes/4-rules"},
	"1, promoted: lane s1 holds the new version of mockc (v2), lane s2 is gone, the plug-in removed": {
		"lanes/0-namespace", "lanes/1-sample", "lanes/2-gateway", "lanes/3-lanes", "lanes/7-promote-sample", "lanes/8-promote-routes", "lanes/9-promote-subsets",
	},
	"1, rolled back by range 0 for s2: only the named user is left in the canary": {"lanes/0-namespace", "lanes/1-sample", "lanes/2-gateway", "lanes/3-lanes", "lanes/6-rules-0"},
	"1, rolled back by deleting the plug-in":                                      {"lanes/0-namespace", "lanes/1-sample", "lanes/2-gateway", "lanes/3-lanes"},
	"2, step 1: the baseline, no plug-in":                                         {"ratios/0-namespace", "ratios/1-app-init", "ratios/1-app-init-mesh"},
	"2, step 2 as printed: app-a 10%, app-b 100%":                                 {"ratios/0-namespace", "ratios/1-app-init", "ratios/1-app-init-mesh", "ratios/2-app-ab-v2", "ratios/2-app-ab-v2-mesh", "ratios/2-rules-as-printed"},
	"2, step 2 as its output shows: app-a 10%, app-b 10%":                         {"ratios/0-namespace", "ratios/1-app-init", "ratios/1-app-init-mesh", "ratios/2-app-ab-v2", "ratios/2-app-ab-v2-mesh", "ratios/2-rules"},
	"2, step 3: app-c joins at 50%": {
		"ratios/0-namespace", "ratios/1-app-init", "ratios/1-app-init-mesh", "ratios/2-app-ab-v2", "ratios/2-app-ab-v2-mesh",
		"ratios/3-app-c-v3", "ratios/3-app-c-v3-mesh", "ratios/3-rules",
	},
	"2, step 4: app-c v3 promoted (its default route is v3, its rule is gone)": {
		"ratios/0-namespace", "ratios/1-app-init", "ratios/1-app-init-mesh", "ratios/2-app-ab-v2", "ratios/2-app-ab-v2-mesh",
		"ratios/3-app-c-v3", "ratios/3-app-c-v3-mesh", "ratios/4-app-c-mesh", "ratios/5-app-c-mesh", "ratios/4-rules",
	},
}

// TestDocumentedUsers checks that the chains of all users of the walk-throughs, at each
// step, are those that the documents print, by the manifests alone.
func TestDocumentedUsers(t *testing.T) {
	t.Parallel()
	all, err := walkthrough.Steps()
	if err != nil {
		t.Fatal(err)
	}
	users := map[string]bool{}
	for _, s := range all {
		names, known := steps[s.Name]
		if !known {
			t.Errorf("step %q has no manifests here", s.Name)
			continue
		}
		m, e := built(t, sampleFiles(t, names)...)
		var table *rules.Table
		if len(m.Rules) > 0 {
			table = m.Rules[0].Table
		}
		from, err := e.From(Gateway)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range s.Users {
			users[u.ID] = true
			request := envoyconf.Request{Path: "/", Headers: []envoyconf.Header{{Name: "x-user-id", Value: u.ID}}}
			c := e.Chain(from, table, request, s.Chain)
			var want []string
			for _, app := range s.Chain {
				want = append(want, fmt.Sprintf("-> %s(%s)", app, u.Versions[app]))
			}
			if got := c.Line(); got != strings.Join(want, " ") || !c.Certain() {
				t.Errorf("%s: user %s: %s, for sure: %v, want %s", s.Name, u.ID, got, c.Certain(), strings.Join(want, " "))
			}
		}
	}
	if len(users) != 11 {
		t.Errorf("%d users, want the documents' 11", len(users))
	}
}

// sampleFiles returns samples, and the EnvoyFilter that their rules make.
func sampleFiles(t *testing.T, names []string) (files []File) {
	t.Helper()
	for _, name := range names {
		files = append(files, file(t, samples+name+".yaml"))
	}
	m := Read(files, Options{})
	if len(m.Rules) == 0 {
		return files
	}
	return append(files, File{Name: "envoyfilter.yaml", Source: envoyFilter(t, m.Rules[0].Table)})
}

// envoyFilter returns what `tagproc render envoyfilter` prints for rules.
func envoyFilter(t *testing.T, table *rules.Table) []byte {
	t.Helper()
	object, err := gateway.EnvoyFilter(table, gateway.Options{
		Behaviour: gateway.Behaviour{DataPath: gateway.ExtProc, Timeout: 200 * time.Millisecond}, Name: "tagproc", Namespace: "istio-system", Gateway: []string{"istio=ingressgateway"},
		Address: "unix:///run/tagproc/tagproc.sock", Phase: gateway.PhaseRouter,
	})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := manifest.Write(&text, object); err != nil {
		t.Fatal(err)
	}
	return []byte(text.String())
}

func file(t testing.TB, path string) File {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return File{Name: filepath.ToSlash(path), Source: src}
}

// built reads files, which nobody may refuse, and has Istio make Envoys of them.
func built(t testing.TB, files ...File) (*Manifests, *Envoys) {
	t.Helper()
	m := Read(files, Options{})
	if err := m.Problems.Err(); err != nil {
		t.Fatal(err)
	}
	e, err := Build(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m, e
}
