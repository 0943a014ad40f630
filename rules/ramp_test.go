package rules

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestStagesShare bounds what the Tables of a file of nearly as many values as are read keep beyond those
// of the file without its ramp: they share what a step does not change.
func TestStagesShare(t *testing.T) { // not parallel: it measures memory
	const steps, many, most = 990, 10_000, 16 << 20
	var ramp strings.Builder
	start := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for i := range steps {
		fmt.Fprintf(&ramp, "{at: %s, range: %d},", start.Add(time.Duration(i)*time.Minute).Format(time.RFC3339), i+1)
	}
	file := func(policy string) string {
		var b strings.Builder
		b.WriteString("rules:\n- {name: ramp, modulo: 1000, header: x-user-id, tagHeader: t, policies: [{tagValue: a, " + policy + "}]}\n")
		for range many {
			b.WriteString("- {header: a, tagHeader: t, policies: [{range: 1, tagValue: a}]}\n")
		}
		return b.String()
	}
	without, _ := kept(t, file("range: 1"))
	with, table := kept(t, file("ramp: ["+ramp.String()+"]"))
	if n := len(table.Stages()); n != steps+1 {
		t.Fatalf("%d stages, want %d", n, steps+1)
	}
	if rules := len(table.rules); rules != many+1 {
		t.Fatalf("%d rules, want %d", rules, many+1)
	}
	if with > without+most {
		t.Errorf("with a ramp of %d steps, %d rules keep %d MiB, and %d MiB without: want at most %d MiB more", steps, len(table.rules), with>>20, without>>20, most>>20)
	}
	t.Logf("%d rules keep %d MiB, and %d MiB with a ramp of %d steps", len(table.rules), without>>20, with>>20, steps)
}

// TestOneRequestOfStages checks that a Request decides by the Table that is asked, in
// whatever order Tables of a file are, and allocates nothing on the way.
func TestOneRequestOfStages(t *testing.T) {
	table := mustLoad(t, `
rules:
- {name: still, header: x-user-id, tagHeader: a, policies: [{range: 50, tagValue: s2}]}
- {name: one, header: x-user-id, tagHeader: b, policies: [{tagValue: s2, ramp: [{at: 2026-12-01T00:00:00Z, range: 10}, {at: 2026-12-03T00:00:00Z, range: 90}]}]}
- {name: two, header: x-user-id, tagHeader: c, policies: [{tagValue: s2, allowDecrease: true, ramp: [{at: 2026-12-02T00:00:00Z, range: 100}, {at: 2026-12-03T00:00:00Z, range: 0}]}]}
`)
	stages := table.Stages()
	shared := table.NewRequest()
	for _, i := range []int{0, 1, 2, 3, 0, 3, 1, 1, 2} {
		fresh := stages[i].NewRequest()
		for _, r := range []*Request{shared, fresh} {
			r.Reset()
			r.SetKey(0, []byte("jason")) // bucket 76
		}
		want := slices.Clone(stages[i].Match(fresh))
		if got := stages[i].Match(shared); !slices.Equal(got, want) {
			t.Errorf("stage %d decides %+v by a Request of another one, want %+v", i, got, want)
		}
		tagged := []bool{want[0].Tag != NoTag, want[1].Tag != NoTag, want[2].Tag != NoTag}
		if expected := [][]bool{{false, false, false}, {false, false, false}, {false, false, true}, {false, true, false}}[i]; !slices.Equal(tagged, expected) {
			t.Errorf("stage %d tags by the rules %v, want %v", i, tagged, expected)
		}
	}
	if n := testing.AllocsPerRun(100, func() { stages[1].Match(shared); stages[2].Match(shared) }); n != 0 {
		t.Errorf("changing from Table to Table allocates %v times", n)
	}
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
