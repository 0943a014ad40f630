package envoyfilter

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

func TestMain(m *testing.M) { leak.Main(m) }

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

func TestParseEndpoint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want Endpoint
		name bool
	}{
		{"127.0.0.1:80", Endpoint{Host: "127.0.0.1", Port: 80}, false},
		{"[::1]:65535", Endpoint{Host: "::1", Port: 65535}, false},
		{"app:80", Endpoint{Host: "app", Port: 80}, true},
		{"App.Example-1.com:8080", Endpoint{Host: "App.Example-1.com", Port: 8080}, true},
		{"1.app:80", Endpoint{Host: "1.app", Port: 80}, true},
		{"unix:///run/s", Endpoint{Socket: "/run/s"}, false},
	} {
		got, err := ParseEndpoint(c.text)
		if err != nil || got != c.want || got.IsName() != c.name || got.String() != c.text {
			t.Errorf("ParseEndpoint(%q) = %+v (%s, a name: %v), %v", c.text, got, got, got.IsName(), err)
		}
		if err := Validate(Cluster("c", got)); err != nil {
			t.Errorf("the cluster of %s: %v", c.text, err)
		}
	}
	for _, text := range []string{
		"", ":80", "app", "app:", "app:0", "app:65536", "app:http", "a:b:80", "::1:80", "[::1]", "[fe80::1%eth0]:80", "127.0.0.1", "127.0.0.1:0",
		"10.0.0.300:80", "1:80", "1.2:80", "http://app:80", "app/x:80", "a_b:80", "app.:80", "-a:80", "unix:/run/s", "unix://run/s", "unix:///", "a b:80", "a\n:80",
	} {
		if got, err := ParseEndpoint(text); err == nil {
			t.Errorf("ParseEndpoint(%q) = %+v, want an error", text, got)
		}
	}
}
