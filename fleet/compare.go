package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/state"
)

const (
	mostDifferences   = 5   // that are said of one replica
	longestDifference = 300 // bytes
)

// compare says of each replica that has other rules what they differ in, as far as the states
// have the rules.
func (r *Report) compare() {
	want := r.holder(r.Digest)
	if want == nil {
		return
	}
	for i := range r.Replicas {
		if s := r.Replicas[i].State; s != nil && len(s.Rules) > 0 && s.Digest != r.Digest {
			r.Replicas[i].Rules = differences(want.State, s)
		}
	}
}

// holder returns a replica that has the rules of a digest, and says them; nil: there is none.
func (r *Report) holder(digest string) *Replica {
	for _, replica := range r.answered() {
		if replica.State.Digest == digest && len(replica.State.Rules) > 0 {
			return replica
		}
	}
	return nil
}

// differences says in words what the rules of a state differ in from those that are wanted: the
// first ones, and how many more.
func differences(want, got *state.State) (all []string) {
	named := func(s *state.State, name string) *state.Rule {
		i := slices.IndexFunc(s.Rules, func(r state.Rule) bool { return r.Name == name })
		if i < 0 {
			return nil
		}
		return &s.Rules[i]
	}
	for i := range want.Rules {
		switch r := named(got, want.Rules[i].Name); {
		case r != nil:
			if edits := edits(&want.Rules[i], r); len(edits) > 0 {
				all = append(all, fmt.Sprintf("rule %s: %s", r.Name, strings.Join(edits, "; ")))
			}
		case got.RulesLeftOut == 0:
			all = append(all, fmt.Sprintf("rule %s is missing", want.Rules[i].Name))
		}
	}
	for i := range got.Rules {
		if want.RulesLeftOut == 0 && named(want, got.Rules[i].Name) == nil {
			all = append(all, fmt.Sprintf("rule %s is there as well", got.Rules[i].Name))
		}
	}
	if len(all) == 0 {
		return []string{"no rule differs in what /state says of it; named users, owned tag headers or the order may"}
	}
	for i := range all {
		all[i] = words.Cut(all[i], longestDifference)
	}
	if more := len(all) - mostDifferences; more > 0 {
		all = append(all[:mostDifferences], "… and "+words.Count(more, "more rule", "more rules"))
	}
	return all
}

// edits says in words what a rule differs in from the one that is wanted.
func edits(want, got *state.Rule) (all []string) {
	instead := func(what, got, want string) {
		if got != want {
			all = append(all, fmt.Sprintf("%s %s instead of %s", what, got, want))
		}
	}
	none := func(text string) string { return cmp.Or(text, "none") }
	instead("mode", got.Mode, want.Mode)
	instead("tag header", got.TagHeader, want.TagHeader)
	instead("match", none(got.Match), none(want.Match))
	instead("keys", strings.Join(got.Keys, ", else "), strings.Join(want.Keys, ", else "))
	instead("hash", got.Hash, want.Hash)
	instead("salt", none(got.Salt), none(want.Salt))
	instead("modulo", fmt.Sprint(got.Modulo), fmt.Sprint(want.Modulo))
	instead("named users", fmt.Sprint(got.Named), fmt.Sprint(want.Named))
	moved := sharesOf(got)
	edited := len(all)
	for _, t := range want.Tags {
		instead(words.Tag(t.Tag), words.Percent(moved[t.Tag], 4), words.Percent(t.Percent, 4))
		delete(moved, t.Tag)
	}
	for _, t := range got.Tags {
		if _, more := moved[t.Tag]; more {
			instead(words.Tag(t.Tag), words.Percent(t.Percent, 4), "0%")
		}
	}
	if edited == len(all) && !slices.Equal(got.Ruler, want.Ruler) {
		all = append(all, "tags have as many buckets, and others")
	}
	return all
}

// sharesOf returns the percent of each tag of a rule.
func sharesOf(r *state.Rule) map[string]float64 {
	of := map[string]float64{}
	for _, t := range r.Tags {
		of[t.Tag] = t.Percent
	}
	return of
}
