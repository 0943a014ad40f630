package shares

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// Overlap returns how many users of t have a tag of both cohorts. A cohort is RULE/TAG, or
// RULE for its users with any tag. Matches are not looked at: two rules for different hosts
// have the same users. The error names a cohort that t does not have.
func Overlap(t *rules.Table, cohorts [2]string) (Figure, error) {
	var of [2]cohort
	for i, name := range cohorts {
		var err error
		if of[i], err = newCohort(t, name); err != nil {
			return Figure{}, err
		}
	}
	a, b := of[0], of[1]
	f := Figure{Named: namedInBoth(t, a, b)}
	switch {
	case !slices.ContainsFunc(a.rule.Keys, func(k rules.Key) bool { return slices.Contains(b.rule.Keys, k) }):
		f.Percent = min(a.share().Percent(), b.share().Percent())
		f.AtMost = f.Percent > 0
	default:
		f.Percent = a.and(b).Percent()
	}
	return f, nil
}

// A cohort is the users of a rule who have a tag.
type cohort struct {
	index int
	rule  *rules.Rule
	tag   string  // "": any
	ruler []Piece // with the tag "in", or no tag
}

func newCohort(t *rules.Table, name string) (cohort, error) {
	all := t.Rules()
	var known []string
	for i := range all {
		r := &all[i]
		tag, isOf := strings.CutPrefix(name, r.Name)
		known = append(known, r.Name)
		if !isOf || tag != "" && tag[0] != '/' {
			continue
		}
		c := cohort{index: i, rule: r, tag: strings.TrimPrefix(tag, "/")}
		if c.tag != "" && !givesTag(r, c.tag) {
			continue
		}
		for _, p := range Ruler(t, i) {
			in := ""
			if c.has(p.Tag) {
				in = "in"
			}
			c.ruler = append(c.ruler, Piece{p.From, p.To, in})
		}
		return c, nil
	}
	for i := range all {
		for _, p := range all[i].Policies {
			known = append(known, all[i].Name+"/"+p.TagValue)
		}
	}
	return cohort{}, fmt.Errorf("there is no rule, and no tag of a rule, %q%s; expected RULE or RULE/TAG", source.Shorten(name), source.DidYouMean(source.Nearest(name, known)))
}

func givesTag(r *rules.Rule, tag string) bool {
	return slices.ContainsFunc(r.Policies, func(p rules.Policy) bool { return p.TagValue == tag }) ||
		slices.ContainsFunc(r.Overrides, func(o rules.Override) bool { return o.TagValue == tag })
}

// has reports whether users with a tag of the rule are in c. A rule that is in shadow or
// off gives none.
func (c cohort) has(tag string) bool {
	return c.rule.Mode == rules.ModeEnforce && tag != "" && (c.tag == "" || c.tag == tag)
}

func (c cohort) share() Share {
	return Share{distribution(c.ruler)["in"], total(c.ruler)}
}

// and returns the share of users in both cohorts, named ones left out.
func (c cohort) and(o cohort) Share {
	count := product
	if c.rule.Hash == o.rule.Hash && c.rule.Salt == o.rule.Salt {
		count = joint
	}
	cases, _ := count(c.ruler, o.ruler) // two tags each: few pairs
	return Share{cases.cases[pair{"in", "in"}], cases.of}
}

// namedInBoth returns how many users that either rule names are in both cohorts.
func namedInBoth(t *rules.Table, a, b cohort) (n int) {
	seen := map[string]bool{}
	for _, r := range []*rules.Rule{a.rule, b.rule} {
		for _, o := range r.Overrides {
			for _, user := range o.Values {
				if !seen[user] && a.hasUser(t, user) && b.hasUser(t, user) {
					n++
				}
				seen[user] = true
			}
		}
	}
	return n
}

// hasUser reports whether a user is in c, known by whichever key.
func (c cohort) hasUser(t *rules.Table, user string) bool {
	for k := range c.rule.Keys {
		tag := ""
		if in := t.Decide(c.index, k, []byte(user)).Tag; in != rules.NoTag {
			tag = t.Tags()[in].Value
		}
		if c.has(tag) {
			return true
		}
	}
	return false
}
