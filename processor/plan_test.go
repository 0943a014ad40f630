package processor

import (
	"strings"
	"testing"
)

// TestMayMatter holds that the filter keeps no name away that matters, and most
// of a browser's names that do not.
func TestMayMatter(t *testing.T) {
	t.Parallel()
	long, longPrefix := strings.Repeat("l", 200), "p-"+strings.Repeat("p", 70)
	p := newPlan(load(t, `
tagHeaders: {headers: [x-asm-prefer-tag, `+long+`], headerPrefixes: [appver, `+longPrefix+`]}
rules: [{header: x-user-id, tagHeader: appver-a, policies: [{range: 1, tagValue: v2}]}]
`), Limits{}.withDefaults(), false, newMetrics(nil))
	for _, name := range []string{
		"x-user-id", "x-asm-prefer-tag", "appver-a", "appver", "appver-zz", "appver" + long, "appver" + long[:58], long, longPrefix, longPrefix + "-more",
	} {
		if !p.mayMatter([]byte(name)) {
			t.Errorf("mayMatter(%q) = false, want true", name)
		}
	}
	for _, name := range []string{"", "x-user-i", "x-user-idd", "appve", "bppver-a"} {
		if p.mayMatter([]byte(name)) {
			t.Errorf("mayMatter(%q) = true, want false", name)
		}
	}
	passed := 0
	for _, h := range pairs(browserHeaders()) {
		if p.mayMatter([]byte(h[0])) {
			passed++
		}
	}
	if passed > 4 {
		t.Errorf("mayMatter lets %d of a browser's 20 names through, of which one matters", passed)
	}
}
