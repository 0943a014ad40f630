package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// Rule returns the index of the rule that is meant: that of a name, or where name is ""
// the only one that has all tags. The error lists those that may be meant.
func (f *File) Rule(name string, tags ...string) (int, error) {
	all := f.table.Rules()
	var fit []int
	for i := range all {
		if name == "" || all[i].Name == name {
			if has := tagsOf(&all[i]); !slices.ContainsFunc(tags, func(t string) bool { return !slices.Contains(has, t) }) {
				fit = append(fit, i)
			}
		}
	}
	switch {
	case len(all) == 0:
		return 0, fmt.Errorf("%s has no rules", f.Name)
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) > 1 && name == "":
		return 0, fmt.Errorf("%d rules may be meant; add --rule NAME, one of: %s", len(fit), listed(all, fit))
	case len(fit) > 1: // names are unique
		return fit[0], nil
	}
	named := slices.IndexFunc(all, func(r rules.Rule) bool { return r.Name == name })
	if name != "" && named < 0 {
		return 0, fmt.Errorf("no rule is called %q; the rules are: %s", name, listed(all, nil))
	}
	if named >= 0 {
		return 0, fmt.Errorf("rule %s has no tag %s; its tags are %s%s", name, missing(&all[named], tags), strings.Join(tagsOf(&all[named]), ", "), nearTag(all[named:named+1], tags))
	}
	return 0, fmt.Errorf("no rule has the tag %s; the rules are: %s%s", strings.Join(tags, " and "), listed(all, nil), cmp.Or(f.ruleAmong(tags), nearTag(all, tags)))
}

// nearTag asks whether a tag that no rule has is one of theirs, misspelt.
func nearTag(all []rules.Rule, tags []string) string {
	var has []string
	for i := range all {
		has = append(has, tagsOf(&all[i])...)
	}
	for _, t := range tags {
		if near := source.Nearest(t, has); near != "" && len(t) > 2 && !slices.Contains(has, t) { // s9 is as near to s1 as to s2
			return fmt.Sprintf("; did you mean %s?", near)
		}
	}
	return ""
}

// ruleAmong returns what is to be said where one of names, which are no rules, is the name of
// one.
func (f *File) ruleAmong(names []string) string {
	for _, r := range f.table.Rules() {
		if slices.Contains(names, r.Name) {
			return fmt.Sprintf("; %s is a rule, which is named by --rule %s", r.Name, words.Shell(r.Name))
		}
	}
	return ""
}

func missing(r *rules.Rule, tags []string) string {
	has := tagsOf(r)
	return strings.Join(slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return slices.Contains(has, t) }), " and ")
}

// listed returns the names of rules with their tags; those of some indices, nil: of all.
func listed(all []rules.Rule, some []int) string {
	var texts []string
	for i := range all {
		if some == nil || slices.Contains(some, i) {
			texts = append(texts, fmt.Sprintf("%s (%s)", all[i].Name, strings.Join(tagsOf(&all[i]), ", ")))
		}
	}
	return strings.Join(texts, "; ")
}

// tagsOf returns the different tags of the policies and overrides of a rule.
func tagsOf(r *rules.Rule) (tags []string) {
	add := func(t string) {
		if t != "" && !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	for _, p := range r.Policies {
		add(p.TagValue)
	}
	for _, o := range r.Overrides {
		add(o.TagValue)
	}
	return tags
}

// baseline returns the tag that users have who are in no canary: that of the last policy
// where it takes the rest, or else "", since they have none.
func baseline(r *rules.Rule, now time.Time) string {
	if i := rest(r.Policies, r.Modulo, now); i >= 0 {
		return r.Policies[i].TagValue
	}
	return ""
}

// A Canary is a tag of a rule that is not its baseline.
type Canary struct {
	Rule int
	Tag  string
}

// Canary returns the only canary of a rule, or of the file where name is "". Those who have
// users, or will have by a ramp, come first: only where there are none may another be meant.
func (f *File) Canary(name string, now time.Time) (Canary, error) {
	var all, live []Canary
	rulesNow := f.rulesAt(now)
	for i := range rulesNow {
		r := &rulesNow[i]
		if name != "" && r.Name != name {
			continue
		}
		base := baseline(r, now)
		for j, p := range r.Policies {
			c := Canary{i, p.TagValue}
			if p.TagValue == base || slices.Contains(all, c) && slices.Contains(live, c) {
				continue
			}
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
			l := layout{modulo: r.Modulo, policies: r.Policies}
			if l.count(j) > 0 || slices.ContainsFunc(p.Ramp, func(s rules.RampStep) bool { return s.Range > 0 }) {
				live = append(live, c)
			}
		}
	}
	if len(live) == 0 {
		live = all
	}
	switch {
	case len(live) == 1:
		return live[0], nil
	case len(live) == 0:
		if _, err := f.Rule(name); name != "" && err != nil {
			return Canary{}, err
		}
		return Canary{}, f.noCanary(rulesNow, name)
	}
	var texts []string
	for _, c := range live {
		texts = append(texts, f.rollbackOf(c.Tag, rulesNow[c.Rule].Name))
	}
	return Canary{}, fmt.Errorf("%d canaries may be meant; name one: %s", len(live), strings.Join(texts, ", or "))
}

// noCanary says why nothing can be rolled back, and what to do: the rules have one tag each,
// as after a promotion in a rule with one policy.
func (f *File) noCanary(all []rules.Rule, name string) error {
	var texts []string
	for i := range all {
		if tags := tagsOf(&all[i]); (name == "" || all[i].Name == name) && len(tags) > 0 {
			texts = append(texts, f.rollbackOf(tags[0], all[i].Name))
		}
	}
	if texts == nil {
		return fmt.Errorf("%s has no tag to roll back", f.Name)
	}
	return fmt.Errorf("%s has no canary: all users of a rule have its only tag, and there is none to go back to; give the tag fewer users with set, or take it from all of them by its name: %s", f.Name, strings.Join(texts, ", or "))
}

// rollbackOf returns the command that takes a tag of a rule from all users.
func (f *File) rollbackOf(tag, rule string) string {
	return fmt.Sprintf("tagproc rollout rollback %s %s --rule %s", words.Shell(f.Name), words.Shell(tag), words.Shell(rule))
}
