package envoytest

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// TestEach checks that each release is there, and that the test runs on it.
func TestEach(t *testing.T) {
	t.Parallel()
	var ran []string
	Each(t, func(t *testing.T, binary string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), binary, "--version").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range envoy.Versions() {
			if strings.Contains(string(out), "/"+version+"/") {
				ran = append(ran, version)
			}
		}
		if name := "TestEach/" + ran[len(ran)-1]; t.Name() != name {
			t.Errorf("%s runs on %s", t.Name(), out)
		}
	})
	if !slices.Equal(ran, envoy.Versions()) {
		t.Errorf("ran on %q, want %q", ran, envoy.Versions())
	}
}
