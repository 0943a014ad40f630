package gateway

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/istio/manifest"
)

// TestTelemetry compares a manifest with its file, and has names and options refused.
func TestTelemetry(t *testing.T) {
	t.Parallel()
	o := TelemetryOptions{Name: "tagproc", Namespace: "istio-system", Gateway: []string{"istio=ingressgateway"}, Provider: "otel"}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	object, err := Telemetry(load(t, ratios), o)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := manifest.Write(&out, object); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/telemetry.yaml", out.String())

	const name = "a:b"
	if _, err := Telemetry(load(t, "rules: [{name: \""+name+"\", header: x, tagHeader: t, policies: [{range: 1, tagValue: v}]}]"), o); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("a rule called %s: %v", name, err)
	}
	wrong := TelemetryOptions{Name: "Tagproc", Namespace: "a b", Gateway: nil}
	for _, flag := range []string{"--name", "--namespace", "--gateway"} {
		if err := wrong.Check(); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("the error does not name %s: %v", flag, err)
		}
	}
}
