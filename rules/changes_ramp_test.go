package rules

import (
	"strings"
	"testing"
	"time"
)

// TestChangesOfRamps holds that the steps of a ramp that have passed are no news, and that
// tables that differ in nothing else still differ.
func TestChangesOfRamps(t *testing.T) {
	load := func(policy string) *Table {
		return mustLoad(t, "rules: [{name: a, tagHeader: tag, header: x-user-id, policies: ["+policy+"]}]")
	}
	const ramp = "{tagValue: s2, ramp: [{at: 2026-12-01T08:00:00Z, range: 20}, {at: 2026-12-02T08:00:00Z, range: 30}]}"
	plain, ramped := load("{tagValue: s2, range: 20}"), load(ramp)
	earlier := load(strings.Replace(ramp, "2026-12-01", "2026-11-30", 1))
	at := func(hour int) time.Time { return time.Date(2026, 12, 1, hour, 0, 0, 0, time.UTC) }
	for _, tt := range []struct {
		name          string
		before, after *Table
		at            time.Time
		want          string
	}{
		{"before its first step", plain, ramped, at(7), "rule a: s2 takes buckets 0 to 19 → none, then 0 to 19 from 2026-12-01T08:00:00Z, then 0 to 29 from 2026-12-02T08:00:00Z"},
		{"at its first step", plain, ramped, at(8), "rule a: s2 takes buckets 0 to 19 → 0 to 19, then 0 to 29 from 2026-12-02T08:00:00Z"},
		{"behind its last step", plain, ramped, at(32), "rule a: s2 takes buckets 0 to 19 → 0 to 29"},
		{"away from a ramp", ramped, plain, at(32), "rule a: s2 takes buckets 0 to 29 → 0 to 19"},
		{"a new rule", nil, ramped, at(8), "rule a added: header x-user-id → tag: s2 takes buckets 0 to 19, then 0 to 29 from 2026-12-02T08:00:00Z"},
		{"only in what has passed", ramped, earlier, at(8), "rule a: s2 takes buckets none, then 0 to 19 from 2026-12-01T08:00:00Z, then 0 to 29 from 2026-12-02T08:00:00Z → none, then 0 to 19 from 2026-11-30T08:00:00Z, then 0 to 29 from 2026-12-02T08:00:00Z"},
	} {
		got := strings.Join(texts(Changes(tt.before, tt.after, tt.at)), "|")
		if tt.before == nil {
			_, got, _ = strings.Cut(got, "|") // that its tag header is owned
		}
		if got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.name, got, tt.want)
		}
	}
}
