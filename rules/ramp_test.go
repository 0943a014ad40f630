package rules

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestStagesShare bounds what the Tables of a file of the largest size keep beyond those
// of the file without its ramp: they share what a step does not change.
func TestStagesShare(t *testing.T) { // not parallel: it measures memory
	const steps, most = 990, 16 << 20
	var ramp strings.Builder
	start := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for i := range steps {
		fmt.Fprintf(&ramp, "{at: %s, range: %d},", start.Add(time.Duration(i)*time.Minute).Format(time.RFC3339), i+1)
	}
	file := func(policy string) string {
		var b strings.Builder
		b.WriteString("rules:\n- {name: ramp, modulo: 1000, header: x-user-id, tagHeader: t, policies: [{tagValue: a, " + policy + "}]}\n")
		for b.Len() < MaxFileSize-100 {
			b.WriteString("- {header: a, tagHeader: t, policies: [{range: 1, tagValue: a}]}\n")
		}
		return b.String()
	}
	without, _ := kept(t, file("range: 1"))
	with, table := kept(t, file("ramp: ["+ramp.String()+"]"))
	if n := len(table.Stages()); n != steps+1 {
		t.Fatalf("%d stages, want %d", n, steps+1)
	}
	if rules := len(table.rules); rules < 15_000 {
		t.Fatalf("%d rules, want a file full of them", rules)
	}
	if with > without+most {
		t.Errorf("with a ramp of %d steps, %d rules keep %d MiB, and %d MiB without: want at most %d MiB more", steps, len(table.rules), with>>20, without>>20, most>>20)
	}
	t.Logf("%d rules keep %d MiB, and %d MiB with a ramp of %d steps", len(table.rules), without>>20, with>>20, steps)
}

// kept returns how much memory the table of a file keeps, in bytes, and the table.
func kept(t *testing.T, src string) (uint64, *Table) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	table := mustLoad(t, src)
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(table)
	return after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc), table
}
