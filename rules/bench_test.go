package rules

import (
	"fmt"
	"strings"
	"testing"
)

// manyRules returns n rules, each with its own range, over at most 25 tag
// headers.
func manyRules(n int) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range n {
		fmt.Fprintf(&b, "- {name: rule-%d, header: x-user-id, tagHeader: appver-%d, policies: [{range: %d, tagValue: v2}, {range: 100, tagValue: v1}]}\n", i, i%25, i%100)
	}
	return b.String()
}

func manyPolicies(n int) string {
	var b strings.Builder
	b.WriteString("rules:\n- {header: x-user-id, tagHeader: tag, modulo: 1000000, policies: [")
	for i := range n {
		fmt.Fprintf(&b, "{range: %d, tagValue: v%d}, ", (i+1)*(MaxModulo/n), i)
	}
	b.WriteString("]}\n")
	return b.String()
}

var matchCases = []struct{ name, src string }{
	{"rules=1", manyRules(1)},
	{"rules=3", manyRules(3)},
	{"rules=100", manyRules(100)},
	{"rules=1000", manyRules(1000)},
	{"policies=100", manyPolicies(100)},
	{"policies=1000", manyPolicies(1000)},
	{"hash=xxh3", strings.Replace(manyRules(1), "header:", "hash: xxh3, salt: s, header:", 1)},
	{"overrides=1", strings.Replace(manyRules(1), "header:", "overrides: [{values: [jason], tagValue: v2}], header:", 1)},
}

func BenchmarkMatch(b *testing.B) {
	for _, c := range matchCases {
		b.Run(c.name, func(b *testing.B) {
			table := mustLoad(b, c.src)
			r := table.NewRequest()
			key := []byte("2c9f6f3e-1f0a-4f6e-9d5e-8a1f3f1f7a77")
			b.ReportAllocs()
			for b.Loop() {
				r.Reset()
				r.SetKey(0, key)
				table.Match(r)
			}
		})
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	for _, c := range matchCases {
		table := mustLoad(t, c.src)
		r := table.NewRequest()
		key := []byte("jason")
		if n := testing.AllocsPerRun(100, func() {
			r.Reset()
			r.SetKey(0, key)
			table.Match(r)
		}); n != 0 {
			t.Errorf("%s: Match allocates %v times, want 0", c.name, n)
		}
	}
}
