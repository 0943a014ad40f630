package envoyfilter

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"go.uber.org/goleak"

	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Without labels an EnvoyFilter selects all pods, and says nothing of them.
func TestObject(t *testing.T) {
	t.Parallel()
	cluster, err := SocketCluster("c", "/run/s", "Mounted.")
	if err != nil {
		t.Fatal(err)
	}
	for _, selector := range []map[string]string{nil, {}, {"a": "b"}} {
		f := Filter{Name: "n", Namespace: "ns", Selector: selector, Selected: "These pods.", Patches: []Patch{AddCluster(Outbound, cluster, "A cluster.")}}
		var out bytes.Buffer
		if err := manifest.Write(&out, f.Object()); err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"workloadSelector", "# These pods."} {
			if got, want := strings.Contains(out.String(), line), len(selector) > 0; got != want {
				t.Errorf("with the selector %v %s is there: %v, want %v, in\n%s", selector, line, got, want, out.String())
			}
		}
		if !strings.Contains(out.String(), "# A cluster.\n  - applyTo: CLUSTER\n    match:\n      context: SIDECAR_OUTBOUND\n    patch:\n      operation: ADD\n      value:\n        name: c\n") {
			t.Errorf("the patch is missing in\n%s", out.String())
		}
	}
}

// What Envoy would refuse is an error before it is written.
func TestPack(t *testing.T) {
	t.Parallel()
	if _, err := HTTPFilter("x", &clusterv3.Cluster{}); err == nil || !strings.HasPrefix(err.Error(), "envoy would refuse the Cluster: ") {
		t.Errorf("HTTPFilter of a cluster without a name = %v, want an error", err)
	}
	if _, err := SocketCluster("", "/s", ""); err == nil {
		t.Error("SocketCluster without a name: no error")
	}
	if _, err := PackPart(&clusterv3.Cluster{}); err != nil {
		t.Errorf("PackPart of a part = %v", err)
	}
}

// TestExpression checks that names are quoted, and match as a whole.
func TestExpression(t *testing.T) {
	t.Parallel()
	e := regexp.MustCompile("^(?:" + Expression(rules.Owned{Headers: []string{"a.b", "c|d"}, Prefixes: []string{"p+"}}, "e$") + ")$")
	for name, want := range map[string]bool{"a.b": true, "axb": false, "c|d": true, "c": false, "p+": true, "p+x": true, "pp": false, "e$": true, "e": false, "xa.b": false} {
		if got := e.MatchString(name); got != want {
			t.Errorf("%q matches: %v, want %v", name, got, want)
		}
	}
}

func TestParseSocket(t *testing.T) {
	t.Parallel()
	if a, err := ParseSocket("unix:///run/s"); err != nil || a != (Address{Socket: "/run/s"}) {
		t.Errorf("ParseSocket = %+v, %v", a, err)
	}
	for _, s := range []string{"", "/run/s", "unix://run/s", "unix:///", "tagproc.istio-system:9002"} {
		if _, err := ParseSocket(s); err == nil {
			t.Errorf("ParseSocket(%q): no error", s)
		}
	}
}
