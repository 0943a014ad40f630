package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/source"
)

// A member is the users who have one tag of one rule.
type member struct {
	place source.Scalar[string]
	rule  int // index of Table.rules
	tag   int32
	named []string // users whom the rule names for the tag
}

// maxCompared bounds how many decisions and steps of rules the lists are compared by, at
// all instants of ramps: what a processor does in a few seconds.
const maxCompared = 20_000_000

// A comparison counts what was compared.
type comparison struct {
	stages []*Table
	count  int
}

// spent reports whether n more are too many.
func (c *comparison) spent(n int) bool {
	c.count += n
	return c.count > maxCompared
}

// exclude refuses lists of "RULE/TAG" where a user may have two tags at some instant.
// Matches are not looked at: two rules for different hosts have the same users.
func (c *compiler) exclude() {
	if c.file.report.Errors() > 0 {
		return // the users of incomplete rules cannot be compared
	}
	work := &comparison{stages: c.table.Stages()}
	total := 0
	for _, l := range c.exclusive.Elements {
		if total += len(l.Elements); total > MaxExclusive { // each is compared with each
			c.file.problem(l.Place, KindExclusive, fmt.Sprintf("the lists up to this one have %d elements; a file has at most %d", total, MaxExclusive))
			return
		}
		var members []member
		for _, v := range l.Elements {
			if m, ok := c.member(v); ok && !isNobody(work.stages, m) {
				members = append(members, m)
			}
		}
		if len(l.Elements) < 2 {
			c.file.problem(l.Place, KindExclusive, "this list has fewer than two elements, so it excludes nothing; list two or more of RULE/TAG")
		}
		for i, b := range members {
			for _, a := range members[:i] {
				wrong := c.overlap(work, a, b)
				if work.count > maxCompared {
					c.file.problem(l.Place, KindExclusive, "the lists up to this one are too much to compare: elements, named users and steps of ramps multiply; list fewer tags, name fewer users, or make fewer steps")
					return
				}
				if wrong != "" {
					c.file.problem(b.place.Place, KindExclusive, fmt.Sprintf("a user may have both %s and %s: %s", a.place.V, b.place.V, wrong))
				}
			}
		}
	}
}

// member returns whom v, which is RULE/TAG, stands for.
func (c *compiler) member(v source.Scalar[string]) (m member, ok bool) {
	m.place = v
	for i, r := range c.table.rules {
		tag, of := strings.CutPrefix(v.V, r.Name+"/")
		if of && slices.Contains(tagsOf(&r), tag) {
			if ok {
				c.file.problem(v.Place, KindExclusive, fmt.Sprintf("%q means tags of two rules, because names or tags have slashes; rename one", source.Shorten(v.V)))
				return m, false
			}
			m.rule, m.tag, ok = i, c.tags[Tag{r.TagHeader, tag}], true
			m.named = c.usersNamed(m)
		}
	}
	if !ok {
		var known []string
		for _, r := range c.table.rules {
			for _, tag := range tagsOf(&r) {
				known = append(known, r.Name+"/"+tag)
			}
		}
		c.file.problem(v.Place, KindExclusive, fmt.Sprintf("no rule gives %q%s; expected the name of a rule, a slash, and one of its tag values", source.Shorten(v.V), source.DidYouMean(source.Nearest(v.V, known))))
	}
	return m, ok
}

// tagsOf returns the different tag values that r may give.
func tagsOf(r *Rule) []string {
	tags := map[string]bool{}
	for _, p := range r.Policies {
		tags[p.TagValue] = true
	}
	for _, o := range r.Overrides {
		if o.TagValue != "" {
			tags[o.TagValue] = true
		}
	}
	return slices.Sorted(maps.Keys(tags))
}

// overlap returns why a user may have the tags of both members, or "".
func (c *compiler) overlap(work *comparison, a, b member) string {
	if a.rule == b.rule {
		return ""
	}
	ra, rb := &c.table.rules[a.rule], &c.table.rules[b.rule]
	var differ []string
	for _, d := range []struct {
		what string
		same bool
	}{
		{"keys", slices.Equal(ra.Keys, rb.Keys)}, {"hash", ra.Hash == rb.Hash}, {"salt", ra.Salt == rb.Salt}, {"modulo", ra.Modulo == rb.Modulo},
	} {
		if !d.same {
			differ = append(differ, d.what)
		}
	}
	if differ != nil {
		return fmt.Sprintf("their rules differ in %s, and independent cohorts always overlap; give both rules the same, and ranges that do not meet", strings.Join(differ, ", "))
	}
	var pa, pb *program
	for _, t := range work.stages {
		if pa == t.program(a.rule) && pb == t.program(b.rule) {
			continue // a step of other rules
		}
		pa, pb = t.program(a.rule), t.program(b.rule)
		if work.spent((len(pa.steps)+len(pb.steps))/16 + len(a.named) + len(b.named)) {
			return ""
		}
		if from, to, ok := meet(pa, pb, a.tag, b.tag); ok {
			when := ""
			if t.stage > 0 {
				when = " from " + formatInstant(t.Since()) + " on"
			}
			return fmt.Sprintf("both take buckets %d to %d%s; begin the later one with \"from\"", from, to-1, when)
		}
		for _, user := range slices.Concat(a.named, b.named) { // others have tags by their buckets alone
			if t.haveBoth(a, b, user) {
				return "an override names a user who has the other tag too; name the user in both rules"
			}
		}
	}
	return ""
}

// usersNamed returns the users whom the rule of m names for its tag.
func (c *compiler) usersNamed(m member) (users []string) {
	for user, o := range c.named[m.rule] {
		if o.tag == m.tag {
			users = append(users, user.value)
		}
	}
	return users
}

// isNobody reports whether no user ever has the tag of m.
func isNobody(stages []*Table, m member) bool {
	return len(m.named) == 0 && !slices.ContainsFunc(stages, func(t *Table) bool {
		return slices.ContainsFunc(t.program(m.rule).steps, func(s step) bool { return s.tag == m.tag })
	})
}

// meet returns the first buckets [from, to) that get both tags.
func meet(a, b *program, tagA, tagB int32) (from, to uint32, ok bool) {
	for i, j := 0, 0; i < len(a.steps) && j < len(b.steps); {
		sa, sb := a.steps[i], b.steps[j]
		to = min(sa.bound, sb.bound)
		if sa.tag == tagA && sb.tag == tagB {
			return from, to, true
		}
		from = to
		if sa.bound == to {
			i++
		}
		if sb.bound == to {
			j++
		}
	}
	return 0, 0, false
}

// haveBoth reports whether a user, known by whichever key, has the tags of a and b.
func (t *Table) haveBoth(a, b member, user string) bool {
	pa, pb := t.program(a.rule), t.program(b.rule)
	for key := range pa.keys {
		if pa.decide(key, []byte(user)).Tag == a.tag && pb.decide(key, []byte(user)).Tag == b.tag {
			return true
		}
	}
	return false
}
