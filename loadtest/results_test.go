package main

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/internal/machine"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// someResults are of two rounds, with figures that depend on the place alone.
func someResults() *results {
	two := func(a float64) series { return series{a, a * 1.5} }
	gateway := &gatewayFigures{
		envoyCPU: make(map[cell]series), serverCPU: make(map[cell]series),
		p50: make(map[cell]series), p99: make(map[cell]series), p999: make(map[cell]series),
		sent: make(map[string]int), failed: map[string]int{"lua": 3}, failure: errors.New("Lua by hand: the answer is 500"),
	}
	for i, v := range variants {
		gateway.sent[v.id] = 1000
		for _, n := range connectionCounts {
			c, f := cell{v.id, n}, float64(10*(i+1))
			gateway.envoyCPU[c] = two(2 * f)
			gateway.serverCPU[c] = two(f)
			gateway.p50[c], gateway.p99[c], gateway.p999[c] = two(10*f), two(20*f), two(40*f)
		}
	}
	ghz := &ghzFigures{
		rps: make(map[target]series), p50: make(map[target]series),
		p99: make(map[target]series), cpu: make(map[target]series), sent: 12,
	}
	for i, t := range targets() {
		f := float64(i + 1)
		ghz.rps[t], ghz.p50[t], ghz.p99[t], ghz.cpu[t] = two(1000*f), two(100*f), two(300*f), two(f)
	}
	growth := &growthFigures{workloads: workloads("user-00000"), handler: make(map[int]series), cpu: make(map[int]series)}
	for i := range growth.workloads {
		growth.handler[i], growth.cpu[i] = two(float64(200*(i+1))), two(float64(30+i))
	}
	return &results{
		origin: &origin{
			Machine: machine.Machine{CPU: "A CPU", Memory: "8.0 GiB", Kernel: "Linux 6.1", Cores: 2, Go: "go1.2.3", System: "linux/amd64"},
			Date:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: "20m0s", Command: "bin/loadtest -out RESULTS.md",
			Envoy: "1.2.3", GRPC: "v1.2.3", Tagproc: "tagproc v1",
		},
		plan:    fullPlan,
		gateway: gateway, ghz: ghz, growth: growth,
		start: &startFigures{
			resident:  map[string]series{"tagproc": two(16), "textbook": two(10)},
			anonymous: map[string]series{"tagproc": two(4), "textbook": two(2)},
			program:   map[string]float64{"tagproc": 40, "textbook": 20},
		},
		idle: &idleFigures{
			cases:    []idleCase{{0, ""}, {10_000, ""}, {10_000, "140MiB"}},
			resident: map[idleCase]series{{0, ""}: two(20), {10_000, ""}: two(200), {10_000, "140MiB"}: two(100)},
			p50:      map[idleCase]series{{0, ""}: two(300), {10_000, ""}: two(310), {10_000, "140MiB"}: two(320)},
			p99:      map[idleCase]series{{0, ""}: two(900), {10_000, ""}: two(950), {10_000, "140MiB"}: two(960)},
			failed:   map[idleCase]int{},
		},
		reload: &reloadFigures{
			p50: map[bool]series{false: two(300), true: two(310)}, p99: map[bool]series{false: two(600), true: two(610)},
			longest: map[bool]series{false: two(1000), true: two(1100)}, live: two(12), failed: map[bool]int{},
		},
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := someResults().render(&b, "results.svg"); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/results.golden.md"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("results differ from %s; go test -update rewrites it (-want +got):\n%s", golden, diff)
	}
}

func TestWriteResults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := someResults().write(filepath.Join(dir, "RESULTS.md")); err != nil {
		t.Fatal(err)
	}
	report, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(report), "](results.svg)") {
		t.Error("RESULTS.md does not show results.svg")
	}
	file, err := os.Open(filepath.Join(dir, "results.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var text strings.Builder
	for d := xml.NewDecoder(file); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the chart is not XML: %v", err)
		}
		if chars, ok := token.(xml.CharData); ok {
			text.Write(chars)
		}
	}
	for _, v := range variants {
		if !strings.Contains(text.String(), v.title) {
			t.Errorf("the chart does not show %q", v.title)
		}
	}
}

// What was not measured is left out.
func TestPartsOfResults(t *testing.T) {
	t.Parallel()
	all := someResults()
	var b strings.Builder
	if err := (&results{origin: all.origin, plan: all.plan, ghz: all.ghz}).render(&b, ""); err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]bool{"ghz": true, "Goals": false, "Through Envoy": false, "Idle": false, ".svg": false} {
		if got := strings.Contains(b.String(), part); got != want {
			t.Errorf("results of ghz alone contain %q: %v, want %v", part, got, want)
		}
	}
}

func TestGHZReport(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "ghz")
	fake := func(report string) *ghzTool {
		if err := os.WriteFile(script, []byte("#!/bin/sh\ncat <<'END'\n"+report+"\nEND\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return &ghzTool{binary: script}
	}
	report, err := fake(`{"count": 4, "rps": 1234.5, "errorDistribution": {"rpc error": 1},
		"latencyDistribution": [{"percentage": 50, "latency": 250000}, {"percentage": 99, "latency": 900000}]}`).run(t.Context(), "/x.sock", 1, 4)
	if err != nil {
		t.Fatal(err)
	}
	if report.RPS != 1234.5 || report.failed() != 1 || report.micros(50) != 250 || report.micros(99) != 900 {
		t.Errorf("report = %+v", report)
	}
	for _, wrong := range []string{`{"count": 3}`, `{"count": 4, "errorDistribution": {"rpc error": 4}}`, `no JSON`} {
		if _, err := fake(wrong).run(t.Context(), "/x.sock", 1, 4); err == nil {
			t.Errorf("a report of %s: no error", wrong)
		}
	}
}
