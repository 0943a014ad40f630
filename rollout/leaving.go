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
type LeavingError struct{ Tags []string } // "s2 (10%)"

func (e *LeavingError) Error() string {
	return "users would lose " + strings.Join(e.Tags, " and ") + "; add --allow-leaving if that is meant"
}

// Leaving returns a [LeavingError] where an edit of a rule takes users out of a tag, now or
// at a step of a ramp of that tag. Who leaves the baseline, the tag of the last policy, is
// meant to, unless that is the tag of the edit; "": the edit is about none.
func Leaving(before, after *File, rule int, now time.Time, tag ...string) error {
	r := &before.rulesAt(now)[rule]
	protected := slices.DeleteFunc(tagsOf(r), func(t string) bool { return t == baseline(r) && !slices.Contains(tag, t) })
	was, is := sharesOf(before, rule, now), sharesOf(after, rule, now)
	stops := r.Mode == rules.ModeEnforce && after.table.Rules()[rule].Mode != rules.ModeEnforce
	var lost []string
	for _, t := range protected {
		if n := was.leaving(is, t); n > 0 {
			lost = append(lost, fmt.Sprintf("%s (%s)", t, shareText(n, r.Modulo)))
		} else if stops && slices.ContainsFunc(r.Overrides, func(o rules.Override) bool { return o.TagValue == t }) {
			lost = append(lost, t+" (named users)")
		}
	}
	for i := range after.table.Rules()[rule].Policies {
		p := &after.table.Rules()[rule].Policies[i]
		falls := func(a, b rules.RampStep) int { return int(a.Range) - int(b.Range) }
		if slices.Contains(tag, p.TagValue) && !slices.IsSortedFunc(p.Ramp, falls) && len(lost) == 0 {
			lost = append(lost, p.TagValue+" (at a step of its ramp)")
		}
	}
	if lost == nil {
		return nil
	}
	return &LeavingError{lost}
}

// A ruler is the buckets of a rule and what they give.
type ruler []shares.Piece

// sharesOf returns the ruler of a rule as it decides at an instant. A rule that does not
// enforce gives no tag.
func sharesOf(f *File, rule int, now time.Time) ruler {
	t, _ := f.table.At(now)
	r := shares.Of(t)[rule]
	if r.Mode != rules.ModeEnforce.String() {
		return ruler{{From: 0, To: r.Modulo}}
	}
	return r.Ruler
}

// leaving returns how many buckets have a tag that they have not in after.
func (r ruler) leaving(after ruler, tag string) (n uint32) {
	for _, p := range r {
		if p.Tag != tag {
			continue
		}
		for _, q := range after {
			if q.Tag != tag && p.From < q.To && q.From < p.To {
				n += min(p.To, q.To) - max(p.From, q.From)
			}
		}
	}
	return n
}
