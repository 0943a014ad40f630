package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/shares"
)

// A LeavingError says who would lose a tag.
type LeavingError struct{ Tags []string } // "s2 (10%)", "s2 (10%, at 2026-12-01T09:00:00Z)"

func (e *LeavingError) Error() string {
	return "users would lose " + strings.Join(e.Tags, " and ") + "; add --allow-leaving if that is meant"
}

// Leaving returns a [LeavingError] where an edit of a rule takes users out of a tag, now or
// at a later step of any ramp of the rule. What the file before takes from them at the same
// step is not counted. Who leaves the baseline is meant to, unless its tag is the tag of the
// edit; "": the edit is about none.
func Leaving(before, after *File, rule int, now time.Time, tag ...string) error {
	r := &before.rulesAt(now)[rule]
	base := baseline(r, now)
	protected := slices.DeleteFunc(tagsOf(r), func(t string) bool { return t == base && !slices.Contains(tag, t) })
	stops := r.Mode == rules.ModeEnforce && after.table.Rules()[rule].Mode != rules.ModeEnforce
	lost := map[string]string{} // by tag
	was := sharesOf(before, rule, now)
	is := was
	for _, t := range instants(now, r.Policies, after.table.Rules()[rule].Policies) {
		wasThen, isThen := sharesOf(before, rule, t), sharesOf(after, rule, t)
		for _, tag := range protected {
			n := leaving(tag, is, isThen, was, wasThen)
			switch _, told := lost[tag]; {
			case n == 0 || told:
			case t.Equal(now):
				lost[tag] = ShareText(n, r.Modulo)
			default:
				lost[tag] = ShareText(n, r.Modulo) + ", at " + t.Format(time.RFC3339)
			}
		}
		was, is = wasThen, isThen
	}
	var texts []string
	for _, t := range protected {
		if lost[t] == "" && stops && slices.ContainsFunc(r.Overrides, func(o rules.Override) bool { return o.TagValue == t }) {
			lost[t] = "named users"
		}
		if lost[t] != "" {
			texts = append(texts, fmt.Sprintf("%s (%s)", t, lost[t]))
		}
	}
	if texts == nil {
		return nil
	}
	return &LeavingError{texts}
}

// A Taker is a tag that users of another one get by an edit.
type Taker struct {
	Tag   string // "": no tag
	Share string // of the users of the rule: "10%"
}

// Takers returns which tags those who have a tag now get by an edit, now or later, except the
// baseline's, if there is one: of each the greatest share.
func Takers(before, after *File, rule int, now time.Time, tag string) (takers []Taker) {
	r := &before.rulesAt(now)[rule]
	base := baseline(r, now)
	most := map[string]uint32{}
	for _, t := range instants(now, r.Policies, after.table.Rules()[rule].Policies) {
		taken := map[string]uint32{}
		together(func(n uint32, tags []string) {
			if tags[0] == tag && tags[1] == tag && tags[2] != tag && (tags[2] != base || base == "") {
				taken[tags[2]] += n
			}
		}, sharesOf(before, rule, now), sharesOf(before, rule, t), sharesOf(after, rule, t))
		for tag, n := range taken {
			most[tag] = max(most[tag], n)
		}
	}
	for _, t := range append(tagsOf(r), "") {
		if n := most[t]; n > 0 {
			takers = append(takers, Taker{t, ShareText(n, r.Modulo)})
		}
	}
	return takers
}

// Share returns the share of a tag at an instant, as [ParseAmount] reads it.
func Share(f *File, rule int, now time.Time, tag string) string {
	n := uint32(0)
	r := sharesOf(f, rule, now)
	for _, p := range r {
		if p.Tag == tag {
			n += p.To - p.From
		}
	}
	return ShareText(n, r[len(r)-1].To)
}

// A ruler is the buckets of a rule and what they give.
type ruler []shares.Piece

// sharesOf returns the ruler of a rule as it decides at an instant. A rule that does not
// enforce gives no tag.
func sharesOf(f *File, rule int, now time.Time) ruler {
	t, _ := f.table.At(now)
	whole := shares.Ruler(t, rule)
	if f.modes[rule] != rules.ModeEnforce {
		return ruler{{From: 0, To: whole[len(whole)-1].To}}
	}
	return whole
}

// leaving returns how many buckets have a tag in from and not in to, except those that have
// it in plannedFrom and not in plannedTo.
func leaving(tag string, from, to, plannedFrom, plannedTo ruler) (n uint32) {
	together(func(size uint32, tags []string) {
		if tags[0] == tag && tags[1] != tag && (tags[2] != tag || tags[3] == tag) {
			n += size
		}
	}, from, to, plannedFrom, plannedTo)
	return n
}

// together calls visit with runs of buckets that have one tag in each of rulers with the same
// modulo: how many they are, and the tags.
func together(visit func(n uint32, tags []string), rulers ...ruler) {
	at, tags := make([]int, len(rulers)), make([]string, len(rulers))
	modulo := rulers[0][len(rulers[0])-1].To
	for from := uint32(0); from < modulo; {
		to := modulo
		for i, r := range rulers {
			for r[at[i]].To <= from {
				at[i]++
			}
			to, tags[i] = min(to, r[at[i]].To), r[at[i]].Tag
		}
		visit(to-from, tags)
		from = to
	}
}
