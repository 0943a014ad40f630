package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/rules"
)

// TestSummary checks that what is logged of a load is bounded, however large the
// rules file is.
func TestSummary(t *testing.T) {
	t.Parallel()
	change := rules.Change{Kind: rules.ChangeMode, Rule: "checkout", Before: "shadow", After: "enforce"}
	const text = "rule checkout: mode shadow → enforce"
	long := rules.Change{Kind: rules.ChangeRange, Rule: "checkout", TagValue: "s2", After: strings.Repeat("→", 300)}
	for _, tt := range []struct {
		changes []rules.Change
		want    string
	}{
		{nil, "none"},
		{[]rules.Change{change}, text},
		{slices.Repeat([]rules.Change{change}, 20), strings.Repeat(text+"; ", 19) + text},
		{slices.Repeat([]rules.Change{change}, 1020), strings.Repeat(text+"; ", 20) + "and 1000 more"},
		{[]rules.Change{long, change}, cutText(long.String(), 200) + "; " + text},
		{slices.Repeat([]rules.Change{long}, 20), strings.Repeat(cutText(long.String(), 200)+"; ", 5) + "and 15 more"},
	} {
		if got := summary(tt.changes); got != tt.want {
			t.Errorf("summary of %d changes = %q, want %q", len(tt.changes), got, tt.want)
		}
	}
}
