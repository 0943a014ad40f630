package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestExclusiveCost checks that the work of comparing lists is bounded where elements,
// named users and steps of ramps multiply, and small where they do not.
func TestExclusiveCost(t *testing.T) {
	t.Parallel()
	file := func(tags, users, steps int, tag string) string {
		var b, lists strings.Builder
		b.WriteString("rules:\n")
		for r := range 2 {
			fmt.Fprintf(&b, "- name: r%d\n  header: x-user-id\n  tagHeader: t%d\n  modulo: 100000\n  overrides: [{%s, values: [", r, r, tag)
			for u := range users {
				fmt.Fprintf(&b, "u%d-%d,", r, u)
			}
			b.WriteString("x]}]\n  policies:\n")
			for p := range tags {
				end := fmt.Sprint(r*50_000 + 100*(p+1))
				if r == 0 && p == 0 {
					var ramp strings.Builder
					for s := range steps {
						fmt.Fprintf(&ramp, "{at: %s, range: %d},", time.Date(2027, 1, 1, s, 0, 0, 0, time.UTC).Format(time.RFC3339), s%99+1)
					}
					fmt.Fprintf(&b, "  - {tagValue: v0, allowDecrease: true, ramp: [%s]}\n", ramp.String())
				} else {
					fmt.Fprintf(&b, "  - {tagValue: v%d, from: %d, range: %s}\n", p, r*50_000+100*p, end)
				}
				fmt.Fprintf(&lists, "r%d/v%d, ", r, p)
			}
		}
		return b.String() + "exclusive: [[" + strings.TrimSuffix(lists.String(), ", ") + "]]\n"
	}
	if table, problems := Load("f", []byte(file(100, 1000, 90, "none: true")), Options{}); table == nil {
		t.Errorf("users without a tag count: %v", problems.Err())
	}
	table, problems := Load("f", []byte(file(100, 10_000, 300, "tagValue: v0")), Options{})
	if table != nil || !strings.Contains(problems.Err().Error(), "too much to compare") {
		t.Errorf("10,000 named users, 200 tags and 300 steps: %v", problems.Err())
	}
}
