package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestCost says what lint of the walk-throughs costs, for docs/mesh.md. How much is not
// judged: it depends on the machine.
func TestCost(t *testing.T) {
	t.Parallel()
	mesh := filepath.Join(program(t), "tagproc-mesh")
	const samples = "../../../deploy/samples/"
	lanes, err := filepath.Glob(samples + "lanes/[0-4]-*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var ratios []string
	for _, name := range []string{"0-namespace", "1-app-init", "1-app-init-mesh", "2-app-ab-v2", "2-app-ab-v2-mesh", "3-app-c-v3", "3-app-c-v3-mesh", "3-rules"} {
		ratios = append(ratios, samples+"ratios/"+name+".yaml")
	}
	for _, tt := range []struct {
		name  string
		files []string
	}{
		{"1, lanes", append(lanes, "../../../deploy/envoyfilter/sidecar.yaml")},
		{"2, ratios", ratios},
	} {
		cmd := exec.CommandContext(t.Context(), mesh, slices.Concat([]string{"lint"}, tt.files)...)
		begin := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", tt.name, err, out)
		}
		usage, is := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		if !is {
			t.Fatal("the system does not say what a process has used")
		}
		cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		t.Logf("walk-through %s: %v, %v of CPU, %d MiB", tt.name, time.Since(begin).Round(10*time.Millisecond), cpu.Round(10*time.Millisecond), usage.Maxrss/1024)
	}
}
