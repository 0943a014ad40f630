package deploy

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/internal/program"
)

// TestRendered checks that envoy/, envoyfilter/ and the EnvoyFilters of the samples are
// what tagproc prints: the standalone Envoy, the rules file of the first document's WasmPlugin, what the gateway
// needs for it, and what the sidecars need where applications forward no tags.
func TestRendered(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "tagproc")
	if err := program.Build(binary); err != nil {
		t.Fatal(err)
	}
	standalone := []string{"render", "envoy", "--rules", "rules.yaml", "--route", "s2=127.0.0.1:10111", "--route", "appver-a=v2=127.0.0.1:10211", "--default", "127.0.0.1:10110"}
	for _, f := range []struct {
		dir, file string
		args      []string
	}{
		{"envoy", "envoy.yaml", standalone},
		{"envoy", "envoy-unix.yaml", append(slices.Clone(standalone), "--address", "unix:///run/tagproc.sock")},
		{"envoy", "visitors.yaml", []string{"render", "envoy", "--rules", "visitors-rules.yaml", "--route", "s2=127.0.0.1:10111", "--default", "127.0.0.1:10110"}},
		{"envoyfilter", "rules.yaml", []string{"convert", "../samples/asm/lanes/wasm.yaml"}},
		{"envoyfilter", "sidecar.yaml", []string{"render", "envoyfilter", "--rules", "rules.yaml"}},
		{"envoyfilter", "service.yaml", []string{"render", "envoyfilter", "--rules", "rules.yaml", "--address", "tagproc.istio-system:9002"}},
		{"samples/ratios", "propagation.yaml", []string{"render", "propagation", "../asm/ratios/header-propagation.yaml"}},
		{"samples/lanes", "recompute.yaml", []string{"render", "recompute", "--rules", "recompute/rules.yaml"}},
	} {
		command := exec.Command(binary, f.args...)
		command.Dir = f.dir
		var stderr bytes.Buffer
		command.Stderr = &stderr
		got, err := command.Output()
		if err != nil {
			t.Fatalf("tagproc %q: %v\n%s", f.args, err, stderr.Bytes())
		}
		file := filepath.Join(f.dir, f.file)
		golden.Check(t, file, string(got))
	}
}
