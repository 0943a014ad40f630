package deploy

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/internal/program"
)

var update = flag.Bool("update", false, "write the files that tagproc prints anew")

// TestEnvoyFilter holds that envoyfilter/ is what tagproc prints for the first
// document: the rules file of its WasmPlugin, and from that what the gateway needs.
func TestEnvoyFilter(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "tagproc")
	if err := program.Build(binary); err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		file string
		args []string
	}{
		{"rules.yaml", []string{"convert", "../samples/asm/lanes/wasm.yaml"}},
		{"sidecar.yaml", []string{"render", "envoyfilter", "--rules", "rules.yaml"}},
		{"service.yaml", []string{"render", "envoyfilter", "--rules", "rules.yaml", "--address", "tagproc.istio-system:9002"}},
	} {
		command := exec.Command(binary, f.args...)
		command.Dir = "envoyfilter"
		var stderr bytes.Buffer
		command.Stderr = &stderr
		got, err := command.Output()
		if err != nil {
			t.Fatalf("tagproc %q: %v\n%s", f.args, err, stderr.Bytes())
		}
		file := filepath.Join("envoyfilter", f.file)
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not what tagproc prints (-file +printed; -update writes it anew):\n%s", file, diff)
		}
	}
}
