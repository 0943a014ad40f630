package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/internal/machine"
	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/people"
	"github.com/tagproc/tagproc/rules"
)

func TestMain(m *testing.M) { leak.Main(m) }

func load(tb testing.TB, src string) *rules.Table {
	tb.Helper()
	table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
	if table == nil {
		tb.Fatal(problems.Err())
	}
	return table
}

// list is some ids.
type list []string

func (l *list) Next() ([]byte, error) {
	if len(*l) == 0 {
		return nil, io.EOF
	}
	id := (*l)[0]
	*l = (*l)[1:]
	return []byte(id), nil
}

// numbers is n ids, each made of a number from 1.
func numbers(n int, id func(i int) string) *list {
	var l list
	for i := range n {
		l = append(l, id(i+1))
	}
	return &l
}

func run(tb testing.TB, table *rules.Table, ids IDs) *Report {
	tb.Helper()
	r, err := Run(tb.Context(), ids, table, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func generate(tb testing.TB, kind people.Kind, n int64, seed uint64) IDs {
	tb.Helper()
	g, err := people.Generate(kind, n, seed)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

const manyRules = `
rules:
- {name: fnv, header: x-user-id, tagHeader: x-a, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}
- {name: fnv-halves, header: x-user-id, modulo: 2, tagHeader: x-b, policies: [{range: 1, tagValue: s2}]}
- {name: fnv-thousand, header: x-user-id, modulo: 1000, tagHeader: x-c, policies: [{range: 5, tagValue: s2}, {from: 500, range: 700, tagValue: s3}]}
- {name: xxh, header: x-user-id, hash: xxh3, tagHeader: x-d, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}
- {name: xxh-halves, header: x-user-id, hash: xxh3, salt: a, modulo: 2, tagHeader: x-e, policies: [{range: 1, tagValue: s2}]}
- {name: xxh-thousand, header: x-user-id, hash: xxh3, salt: b, modulo: 1000, tagHeader: x-f, policies: [{range: 5, tagValue: s2}, {from: 500, range: 700, tagValue: s3}]}
`

// full makes tests take as many people as a large site has: see make proof.
var full = flag.Bool("full", false, "count a million people of each kind")

// TestVerdicts checks that ids as they are common are not skewed by either hash, and that
// xxh3 spreads them as chance does.
func TestVerdicts(t *testing.T) {
	table := load(t, manyRules)
	n := int64(50_000)
	if *full {
		n = 1_000_000
	}
	for _, kind := range people.Kinds {
		r := run(t, table, generate(t, kind, n, 1))
		if r.People != n || r.Skewed() {
			t.Errorf("%s: %d people, skewed %v", kind, r.People, r.Skewed())
		}
		for _, rule := range r.Rules {
			if rule.Hash == "xxh3" && !rule.Spread.Even || rule.Spread.XXH3 != nil && !rule.Spread.XXH3.Even {
				t.Errorf("%s: xxh3 spreads rule %s unevenly: %+v", kind, rule.Name, rule.Spread)
			}
		}
	}
}

// TestTime prints what it costs to count many people, and checks that all are counted.
func TestTime(t *testing.T) {
	n := int64(100_000)
	if *full {
		n = 10_000_000
	}
	me := os.Getpid()
	for _, tt := range []struct{ rules, src string }{
		{"one rule", "rules: [{header: x-user-id, tagHeader: x-a, policies: [{range: 20, tagValue: s2}]}]\n"},
		{"six rules", manyRules},
	} {
		began := time.Now()
		before, err := machine.CPUTime(me)
		if r := run(t, load(t, tt.src), generate(t, people.UUID, n, 1)); r.People != n {
			t.Errorf("%d people are counted, want %d", r.People, n)
		}
		after, more := machine.CPUTime(me)
		peak, most := machine.PeakResidentBytes(me)
		t.Logf("%d UUIDs by %s: %.1f s on %d processors, %.1f s of CPU, at most %d MiB resident (%v)", n, tt.rules,
			time.Since(began).Seconds(), runtime.GOMAXPROCS(0), (after - before).Seconds(), peak>>20, errors.Join(err, more, most))
	}
}

// TestSkewed checks ids that fnv1a32 spreads worse than chance, and xxh3 does not: its
// lowest bit is the parity of the lowest bits of the id's bytes.
func TestSkewed(t *testing.T) {
	table := load(t, manyRules)
	for name, tt := range map[string]struct {
		id             func(i int) string
		skewed, uneven []string // rules
	}{
		"multiples of 11":     {func(i int) string { return fmt.Sprint(11 * i) }, []string{"fnv-halves"}, []string{"fnv", "fnv-halves", "fnv-thousand"}},
		"a number twice":      {func(i int) string { return fmt.Sprintf("%d:%d", i, i) }, []string{"fnv-halves", "fnv-thousand"}, []string{"fnv", "fnv-halves", "fnv-thousand"}},
		"every other number":  {func(i int) string { return fmt.Sprint(2 * i) }, nil, []string{"fnv-thousand"}},
		"a number with zeros": {func(i int) string { return fmt.Sprintf("user-%09d", i) }, nil, nil},
	} {
		r := run(t, table, numbers(50_000, tt.id))
		var skewed, uneven []string
		for _, rule := range r.Rules {
			if slices.ContainsFunc(rule.Shares, func(s Share) bool { return s.Verdict == Skewed }) {
				skewed = append(skewed, rule.Name)
			}
			if !rule.Spread.Even {
				uneven = append(uneven, rule.Name)
			}
			if rule.Spread.XXH3 != nil && !rule.Spread.XXH3.Even {
				t.Errorf("%s: xxh3 spreads them unevenly: %+v", name, *rule.Spread.XXH3)
			}
		}
		if !slices.Equal(skewed, tt.skewed) || !slices.Equal(uneven, tt.uneven) || r.Skewed() != (tt.skewed != nil) {
			t.Errorf("%s: skewed %q, uneven %q, want %q, %q", name, skewed, uneven, tt.skewed, tt.uneven)
		}
	}
}

// TestFalseAlarms checks that chance is called chance: each report on random ids makes many
// judgements, and hardly any report has an alarm.
func TestFalseAlarms(t *testing.T) {
	table := load(t, manyRules)
	alarms := 0
	const reports = 100
	for seed := range uint64(reports) {
		r := run(t, table, generate(t, people.UUID, 1000, seed))
		if slices.ContainsFunc(r.Rules, func(r Rule) bool {
			return slices.ContainsFunc(r.Shares, func(s Share) bool { return s.Verdict != AsExpected })
		}) {
			alarms++
		}
	}
	if alarms > reports/25 { // 1% or less are expected
		t.Errorf("%d of %d reports on random ids find more than chance", alarms, reports)
	}
}

// TestCount checks the figures against a count of every decision, one after the other.
func TestCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := "rules:\n"
		for i := range rapid.IntRange(1, 4).Draw(t, "rules") {
			src += fmt.Sprintf("- {name: r%d, header: x-user-id, tagHeader: x-%d, modulo: %d, hash: %s, overrides: [{values: [\"%d\"], tagValue: v1}], policies: [", i, i,
				rapid.SampledFrom([]int{1, 2, 7, 100}).Draw(t, "modulo"), rapid.SampledFrom([]string{"fnv1a32", "xxh3"}).Draw(t, "hash"), i)
			for j := range rapid.IntRange(1, 3).Draw(t, "policies") {
				src += fmt.Sprintf("{range: %d, tagValue: v%d}, ", rapid.IntRange(0, 1).Draw(t, "range"), j%2)
			}
			src += "]}\n"
		}
		table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
		if table == nil {
			t.Fatal(problems)
		}
		n := rapid.IntRange(1, 2000).Draw(t, "n")
		r, err := Run(context.Background(), numbers(n, func(i int) string { return fmt.Sprint(i) }), table, Options{})
		if err != nil {
			t.Fatal(err)
		}
		tags, request := table.Tags(), table.NewRequest()
		type tagOf struct{ rule, tag string }
		want, named := map[tagOf]int64{}, map[string]int64{}
		both := map[[2]tagOf]int64{}
		for i := 1; i <= n; i++ {
			request.Reset()
			request.SetKey(0, fmt.Append(nil, i))
			var has []tagOf
			for j, d := range table.Match(request) {
				is := tagOf{rule: table.Rules()[j].Name}
				if d.Tag != rules.NoTag {
					is.tag = tags[d.Tag].Value
					for _, other := range has {
						both[[2]tagOf{other, is}]++
					}
					has = append(has, is)
				}
				if d.Reason == rules.ReasonOverride {
					named[is.rule]++
				} else {
					want[is]++
				}
			}
		}
		got := map[tagOf]int64{}
		for _, rule := range r.Rules {
			if rule.Named != named[rule.Name] {
				t.Errorf("%s: rule %s: %d people are named, want %d", src, rule.Name, rule.Named, named[rule.Name])
			}
			for _, s := range rule.Shares {
				if s.People > 0 {
					got[tagOf{rule.Name, s.Tag}] = s.People
				}
			}
		}
		if !maps.Equal(got, want) || r.People != int64(n) {
			t.Errorf("%s: %d people, %v, want %v", src, r.People, got, want)
		}
		for _, o := range r.Overlaps {
			if want := both[[2]tagOf{{o.A.Rule, o.A.Tag}, {o.B.Rule, o.B.Tag}}]; o.Both != want {
				t.Errorf("%s: %d people are %s and %s, want %d", src, o.Both, o.A, o.B, want)
			}
		}
	})
}

const kinships = `
rules:
- {name: a, header: x-user-id, tagHeader: x-a, policies: [{range: 30, tagValue: v2}]}
- {name: b, mode: shadow, header: x-user-id, tagHeader: x-b, policies: [{range: 30, tagValue: v2}, {range: 100, tagValue: v1}]}
- {name: c, mode: "off", header: x-user-id, tagHeader: x-c, policies: [{range: 60, tagValue: v2}]}
- {name: d, keys: [{header: x-user-id}, {cookie: uid}], hash: xxh3, tagHeader: x-d, match: {hosts: [shop.example.com]}, policies: [{range: 50, tagValue: v2}, {range: 0, tagValue: v3}]}
- {name: e, header: x-device-id, tagHeader: x-e, policies: [{range: 10, tagValue: v2}]}
- {name: f, keys: [{visitor: {}}], tagHeader: x-f, policies: [{range: 10, tagValue: v2}]}
- {name: g, header: x-user-id, tagHeader: x-g, overrides: [{values: [jack], tagValue: v2}, {values: [jason], none: true}], policies: [{range: 0, tagValue: v3}]}
- name: h
  header: x-user-id
  modulo: 3
  tagHeader: x-h
  policies: [{tagValue: v2, ramp: [{at: 2026-01-01T00:00:00Z, range: 1}, {at: 2027-01-01T00:00:00Z, range: 3}]}]
`

// TestGolden checks what people, programs and pictures are told.
func TestGolden(t *testing.T) {
	for name, tt := range map[string]struct {
		src string
		ids list
	}{
		"kinships": {kinships, append(*numbers(20_000, func(i int) string { return fmt.Sprintf("user-%d", i) }), "jack", "jason")},
		"skewed":   {manyRules, *numbers(50_000, func(i int) string { return fmt.Sprintf("%d:%d", i, i) })},
		"few":      {kinships, list{"jack", "jason", "bob"}},
		"named":    {"rules:\n- {header: x-user-id, tagHeader: x-a, overrides: [{values: [jack], tagValue: v2}], policies: [{range: 0, tagValue: v3}]}\n", list{"jack"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, load(t, tt.src).Stages()[len(load(t, tt.src).Stages())/2], &tt.ids)
			var text strings.Builder
			if err := WriteText(terminal.New(&text), name+".txt", r); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "testdata/"+name+".txt", text.String())
			if name != "kinships" {
				return
			}
			out, err := json.MarshalIndent(r, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "testdata/"+name+".json", string(out)+"\n")
			golden.Check(t, "testdata/"+name+".svg", string(Chart(name+"<\x1b>.txt", r)))
		})
	}
}

// TestRepeated checks that ids that come again are refused, and that a few may.
func TestRepeated(t *testing.T) {
	table := load(t, manyRules)
	for _, different := range []int{1, 50_000, 97_000, 99_000, 100_000} {
		_, err := Run(t.Context(), numbers(100_000, func(i int) string { return fmt.Sprint(i % different) }), table, Options{})
		e, refused := errors.AsType[*RepeatedError](err)
		if want := different < 98_000; refused != want || !refused && err != nil {
			t.Errorf("%d different ids: %v, want an error: %v", different, err, want)
		}
		if refused && math.Abs(float64(e.Distinct)/float64(different)-1) > 0.01 {
			t.Errorf("%d different ids: %d are counted", different, e.Distinct)
		}
	}
}

// TestMemory checks that ten times the people take no more memory.
func TestMemory(t *testing.T) {
	table := load(t, manyRules)
	allocated := func(n int64) uint64 {
		ids := generate(t, people.Sequential, n, 1)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run(t, table, ids)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := allocated(20_000), allocated(200_000)
	if many > few+1<<20 {
		t.Errorf("%d bytes for 20,000 people, %d for ten times as many", few, many)
	}
}

// TestManyCohorts checks that a file with many tags is counted, and says what is left out.
func TestManyCohorts(t *testing.T) {
	src := "rules:\n"
	for i := range 30 {
		src += fmt.Sprintf("- {name: r%d, header: x-user-id, tagHeader: x-%d, policies: [{range: 20, tagValue: v1}]}\n", i, i)
	}
	r := run(t, load(t, src), numbers(100, func(i int) string { return fmt.Sprint(i) }))
	if len(r.Rules) != 30 || r.NotCompared != 30-maxCohorts || len(r.Overlaps) != maxCohorts*(maxCohorts-1)/2 {
		t.Errorf("%d rules, %d overlaps, %d not compared", len(r.Rules), len(r.Overlaps), r.NotCompared)
	}
}

// broken gives some ids, and then an error.
type broken struct{ left int }

var errBroken = errors.New("broken")

func (b *broken) Next() ([]byte, error) {
	if b.left--; b.left < 0 {
		return nil, errBroken
	}
	return []byte("jack"), nil
}

// TestErrors checks that an error of the ids ends the count, and that a count can be
// canceled that would have no end.
func TestErrors(t *testing.T) {
	table := load(t, manyRules)
	for _, n := range []int{0, 10, 100_000} {
		if r, err := Run(t.Context(), &broken{n}, table, Options{}); !errors.Is(err, errBroken) || r != nil {
			t.Errorf("after %d ids: %v, %v, want %v", n, r, err, errBroken)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	seen := int64(0)
	_, err := Run(ctx, &broken{math.MaxInt}, table, Options{Progress: func(people int64) {
		if seen = people; people > 100_000 {
			cancel(errBroken)
		}
	}})
	if !errors.Is(err, errBroken) || seen < 100_000 {
		t.Errorf("canceled after %d ids: %v, want %v", seen, err, errBroken)
	}
}

// BenchmarkRun counts ten million ids by one rule, and by eight.
func BenchmarkRun(b *testing.B) {
	for name, src := range map[string]string{
		"1 rule":  "rules:\n- {header: x-user-id, tagHeader: x-a, policies: [{range: 20, tagValue: s2}]}\n",
		"8 rules": kinships,
	} {
		b.Run(name, func(b *testing.B) {
			table := load(b, src)
			for b.Loop() {
				run(b, table, generate(b, people.UUID, 10_000_000, 1))
			}
		})
	}
}
