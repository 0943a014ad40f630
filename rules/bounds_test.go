package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/source"
)

// TestBounds checks that a small file cannot ask for work without end: one at a bound
// loads, and one element more is refused.
func TestBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		file func(n int) string
		most int
		kind source.Kind
	}{
		{"ranges of ramps", rampedFile, MaxRampRanges / 100, KindRamp},
		{"elements of exclusive", exclusiveFile, MaxExclusive, KindExclusive},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if table, problems := Load("most.yaml", []byte(c.file(c.most)), Options{}); table == nil {
				t.Errorf("at the bound: %v", problems.Err())
			}
			table, problems := Load("more.yaml", []byte(c.file(c.most+1)), Options{})
			if table != nil || !slices.ContainsFunc(problems, func(p source.Problem) bool { return p.Kind == c.kind }) {
				t.Errorf("with one more: table %v, problems %v; want one of kind %s", table != nil, problems, c.kind)
			}
		})
	}
}

// rampedFile has n policies. One has a ramp of 100 steps.
func rampedFile(n int) string {
	var b strings.Builder
	b.WriteString("rules:\n- header: x-user-id\n  modulo: 1000000\n  tagHeader: x-tag\n  policies:\n  - tagValue: ramp\n    from: 500000\n    ramp:\n")
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for i := range 100 {
		fmt.Fprintf(&b, "    - {at: %s, range: %d}\n", at.Add(time.Duration(i)*time.Hour).Format(time.RFC3339), 500001+i)
	}
	for i := range n - 1 {
		fmt.Fprintf(&b, "  - {from: %d, range: %d, tagValue: t%d}\n", i, i+1, i%2)
	}
	return b.String()
}

// exclusiveFile has two lists of n elements together.
func exclusiveFile(n int) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range n {
		fmt.Fprintf(&b, "- {name: r%d, header: x-user-id, modulo: 1000, tagHeader: x-tag, mode: shadow, policies: [{from: %d, range: %d, tagValue: on}]}\n", i, i, i+1)
	}
	b.WriteString("exclusive:\n- [r0/on, r1/on]\n- [")
	for i := range n - 2 {
		fmt.Fprintf(&b, "r%d/on,", i)
	}
	b.WriteString("]\n")
	return b.String()
}
