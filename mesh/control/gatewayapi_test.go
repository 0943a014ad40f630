package control

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write gatewayapi.json.gz")

// TestDefinitions checks that the CustomResourceDefinitions of the Gateway API are those of
// the release that go.mod names.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(strings.TrimSpace(string(dir)) + "/config/crd/experimental/gateway.networking.k8s.io_*s.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []any
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var crd map[string]any
		if err := yaml.Unmarshal(text, &crd); err != nil {
			t.Fatal(err)
		}
		if crd["kind"] == "CustomResourceDefinition" {
			delete(crd, "status")
			trim(crd)
			all = append(all, crd)
		}
	}
	if len(all) < 8 {
		t.Errorf("%d definitions were found, want those of Gateways, of routes and more", len(all))
	}
	want, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		var text bytes.Buffer
		w, _ := gzip.NewWriterLevel(&text, gzip.BestCompression)
		if _, err := w.Write(want); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("gatewayapi.json.gz", text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	r, err := gzip.NewReader(bytes.NewReader(gatewayAPI))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("gatewayapi.json.gz is not of the release of the Gateway API in go.mod; run go test ./control -run TestDefinitions -update")
	}
}

// trim deletes what is for readers.
func trim(v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if _, text := inner.(string); text && key == "description" || key == "additionalPrinterColumns" || key == "annotations" {
				delete(v, key)
				continue
			}
			trim(inner)
		}
	case []any:
		for _, inner := range v {
			trim(inner)
		}
	}
}
