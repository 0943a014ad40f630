package shares

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOf(t *testing.T) {
	t.Parallel()
	table := load(t, `
rules:
- name: r
  header: x-user-id
  tagHeader: x-tag
  mode: shadow
  modulo: 200
  overrides: [{values: [jack, vance], tagValue: named}]
  policies: [{from: 10, range: 20, tagValue: a}, {range: 40, tagValue: b}, {from: 40, range: 60, tagValue: b}, {range: 0, tagValue: none}]
`)
	share := func(n uint64) Share { return Share{n, 200} }
	want := []Rule{{
		Name: "r", TagHeader: "x-tag", Mode: "shadow", Modulo: 200, Named: 2,
		Tags:  []TagShare{{"b", share(50)}, {"a", share(10)}, {"none", share(0)}, {"named", share(0)}, {"", share(140)}},
		Ruler: []Piece{{0, 10, "b"}, {10, 20, "a"}, {20, 60, "b"}, {60, 200, ""}},
	}}
	if diff := cmp.Diff(want, Of(table)); diff != "" {
		t.Errorf("Of (-want +got):\n%s", diff)
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]Share{
		"0%": {0, 100}, "12.5%": {125, 1000}, "33.3333%": {1, 3}, "<0.0001%": {1, 10_000_000}, ">99.9999%": {9_999_999, 10_000_000}, "100%": {3, 3}, "0.0001%": {1, 1_000_000},
	} {
		if got := s.String(); got != want {
			t.Errorf("%d of %d is %s, want %s", s.Count, s.Of, got, want)
		}
	}
}
