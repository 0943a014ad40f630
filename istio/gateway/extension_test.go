package gateway

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	extensions "istio.io/api/extensions/v1alpha1"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/source"
)

// extensionOf reads a TrafficExtension back from what is printed, strictly.
func extensionOf(t tester, object *manifest.Object) *extensions.TrafficExtension {
	t.Helper()
	text := extensionText(t, object)
	docs, problems := source.Read("extension.yaml", []byte(text))
	if len(docs) != 1 || len(problems) > 0 {
		t.Fatalf("%d documents, %v in\n%s", len(docs), problems, text)
	}
	spec := &extensions.TrafficExtension{}
	if err := docs[0].Get("spec").Message(spec).Err(); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return spec
}

func extensionText(t tester, object *manifest.Object) string {
	t.Helper()
	var out bytes.Buffer
	if err := manifest.Write(&out, object); err != nil {
		t.Fatalf("Write = %v", err)
	}
	return out.String()
}

// TestExtensionGolden checks what is printed.
func TestExtensionGolden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, src string
		options   func(o *Options)
	}{
		{"extension", ratios, nil},
		{"extension-trusting", trusting, func(o *Options) { o.Phase = PhaseAuthn }},
		{"extension-waypoint", lanes, func(o *Options) {
			o.Gateway, o.Target, o.Namespace, o.Phase = nil, "waypoint/waypoint", "default", PhaseAuthn
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := options()
			if o.DataPath = Lua; c.options != nil {
				c.options(&o)
			}
			object, err := TrafficExtension(load(t, c.src), o)
			if err != nil {
				t.Fatal(err)
			}
			extensionOf(t, object)
			golden.Check(t, filepath.Join("testdata", c.name+".yaml"), extensionText(t, object))
		})
	}
}

// TestExtensionRefuses checks that what a TrafficExtension cannot say is refused, all of
// it at once.
func TestExtensionRefuses(t *testing.T) {
	t.Parallel()
	o := options()
	o.StripClientBaggage = true
	_, err := TrafficExtension(load(t, lanes), o)
	want := "--as trafficextension: expected --data-path lua: a TrafficExtension holds Lua or Wasm, and no ext_proc\n" +
		"--as trafficextension: --strip-client-baggage needs an EnvoyFilter, which removes headers before any filter"
	if err == nil || err.Error() != want {
		t.Errorf("TrafficExtension = %v, want\n%s", err, want)
	}
	o.DataPath, o.StripClientBaggage = Lua, false
	if _, err := TrafficExtension(load(t, carried), o); err == nil || !strings.Contains(err.Error(), "baggage") {
		t.Errorf("TrafficExtension of rules with propagation = %v, want an error about baggage", err)
	}
	if _, err := TrafficExtension(load(t, "rules: []"), o); err == nil || err.Error() != errNothingOwned.Error() {
		t.Errorf("TrafficExtension without tag headers = %v, want %v", err, errNothingOwned)
	}
}
