package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/state"
)

// TestDifferences checks what is said of rules that differ from others in one thing.
func TestDifferences(t *testing.T) {
	t.Parallel()
	base := func() *state.State {
		rule := func(name string) state.Rule {
			return state.Rule{
				Name: name, Mode: "enforce", TagHeader: "tag", Keys: []string{"header x-user-id"}, Hash: "fnv1a32", Modulo: 100,
				Tags: []state.Tag{{Tag: "s2", Percent: 20}, {Tag: "s1", Percent: 80}, {}}, Ruler: []state.Piece{{From: 0, To: 20, Tag: "s2"}, {From: 20, To: 100, Tag: "s1"}},
			}
		}
		return &state.State{Rules: []state.Rule{rule("checkout"), rule("price")}}
	}
	for want, edit := range map[string]func(s *state.State, r *state.Rule){
		"rule checkout: mode shadow instead of enforce":                             func(_ *state.State, r *state.Rule) { r.Mode = "shadow" },
		"rule checkout: tag header x-tag instead of tag":                            func(_ *state.State, r *state.Rule) { r.TagHeader = "x-tag" },
		"rule checkout: match host a.example instead of none":                       func(_ *state.State, r *state.Rule) { r.Match = "host a.example" },
		"rule checkout: keys cookie uid, else header x instead of header x-user-id": func(_ *state.State, r *state.Rule) { r.Keys = []string{"cookie uid", "header x"} },
		"rule checkout: hash xxh3 instead of fnv1a32; modulo 1000 instead of 100":   func(_ *state.State, r *state.Rule) { r.Hash, r.Modulo = "xxh3", 1000 },
		"rule checkout: salt a instead of none; named users 3 instead of 0":         func(_ *state.State, r *state.Rule) { r.Salt, r.Named = "a", 3 },
		"rule checkout: s2 25% instead of 20%; s1 75% instead of 80%": func(_ *state.State, r *state.Rule) {
			r.Tags = []state.Tag{{Tag: "s2", Percent: 25}, {Tag: "s1", Percent: 75}}
		},
		"rule checkout: s2 0% instead of 20%; s3 20% instead of 0%": func(_ *state.State, r *state.Rule) {
			r.Tags = []state.Tag{{Tag: "s3", Percent: 20}, {Tag: "s1", Percent: 80}}
		},
		"rule checkout: tags have as many buckets, and others": func(_ *state.State, r *state.Rule) {
			r.Ruler = []state.Piece{{From: 0, To: 80, Tag: "s1"}, {From: 80, To: 100, Tag: "s2"}}
		},
		"rule price is missing":                                func(s *state.State, _ *state.Rule) { s.Rules = s.Rules[:1] },
		"rule checkout is missing, rule shop is there as well": func(_ *state.State, r *state.Rule) { r.Name = "shop" },
		"no rule differs in what /state says of it; named users, owned tag headers or the order may": func(s *state.State, _ *state.Rule) { slices.Reverse(s.Rules) },
		"rule checkout: salt " + strings.Repeat("x", 280) + "…":                                      func(_ *state.State, r *state.Rule) { r.Salt = strings.Repeat("x", 8000) },
	} {
		got := base()
		edit(got, &got.Rules[0])
		if text := strings.Join(differences(base(), got), ", "); text != want {
			t.Errorf("it is said %q, want %q", text, want)
		}
	}
	many, few := base(), base()
	for i := range 10 {
		many.Rules = append(many.Rules, state.Rule{Name: fmt.Sprint("r", i)})
	}
	if got := differences(few, many); len(got) != mostDifferences+1 || got[mostDifferences] != "… and 5 more rules" {
		t.Errorf("of 10 rules more it is said %q", got)
	}
	many.RulesLeftOut, few.RulesLeftOut = 1, 1 // a rule that is not there may be among them
	if got := append(differences(few, many), differences(many, few)...); strings.Contains(strings.Join(got, ""), "is ") {
		t.Errorf("of rules that may be left out it is said %q", got)
	}
}
