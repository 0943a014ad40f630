package rollout

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/terminal"
)

// TestShow checks the ruler, the legend and the ramp of a rule.
func TestShow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		src   string
		width int
		want  []string
	}{
		{oneRule(three), 22, []string{"rule r (x-tag by header x-user-id)\n", "  ██░░░░▒▒▒▒▒▒▒▒▒▒▒▒▒▒\n", "  █ s3   10%   buckets 0 to 9\n", "  ░ s2   20%   buckets 10 to 29\n", "  ▒ s1   70%   buckets 30 to 99\n"}},
		{oneRule("  modulo: 10\n  mode: shadow\n  policies: [{from: 2, range: 3, tagValue: a}, {from: 5, range: 7, tagValue: a}]\n"), 80, []string{"x-user-id)  shadow: gives no tag\n", "  ··█··██···\n", "  █ a        30%   buckets 2, 5 to 6\n", "  · no tag   70%   buckets 0 to 1, 3 to 4, 7 to 9\n"}},
		{oneRule(ramped), 80, []string{"  ramp of s2: step 1 of 2\n    2026-11-29T09:00:00+01:00  10%  ← now\n    2026-12-02T09:00:00+01:00  50%  ← next\n", ", next step 2026-12-02T09:00:00+01:00\n"}},
		{oneRule(named), 80, []string{"  3 named by overrides\n"}},
	} {
		var out bytes.Buffer
		if err := read(t, c.src).View(now).WriteText(terminal.New(&out), c.width); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the text\n%s\nhas not\n%s", out.String(), want)
			}
		}
	}
}
