package rollout

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/shares"
)

// TestAnyFile makes edits in generated files in every envelope, 100 files in each, and 500 with
// make proof: no byte
// changes except those of the numbers, or of the new entries; every bucket has the tag that it
// should have, at every instant; and Leaving is what counting says.
func TestAnyFile(t *testing.T) {
	t.Parallel()
	for envelope := range envelopes {
		t.Run(envelope, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				src, drawn := drawFile(t, envelope)
				f, problems := Read("f", []byte(src), rules.Options{})
				if f == nil {
					t.Fatalf("%v\n%s", problems.Err(), src)
				}
				rule := rapid.IntRange(0, len(drawn)-1).Draw(t, "rule")
				i := rapid.IntRange(0, len(drawn[rule].policies)-1).Draw(t, "policy")
				n := rapid.IntRange(0, drawn[rule].modulo).Draw(t, "n")
				for _, verb := range []string{"set", "promote", "rollback", "mode", "name", "unname", "ramp"} {
					e := &trial{T: t, verb: verb, before: f, r: drawn[rule], rule: rule, policy: i, n: n}
					if e.make() {
						e.judge()
					}
				}
			})
		})
	}
}

// A trial is one edit of a generated file, which is judged by what does not edit.
type trial struct {
	*rapid.T

	verb    string
	before  *File
	after   *File
	r       drawnRule
	rule    int
	policy  int // whose tag the edit is about
	n       int // buckets that it is to have
	context string
}

func (e *trial) tag() string { return e.r.policies[e.policy].tag }

// base returns the tag of the last policy, and its index, where it takes the rest.
func (e *trial) base() (tag string, index int) {
	last := len(e.r.policies) - 1
	p := e.r.policies[last]
	end := p.end
	if e.r.partitions {
		end = 0
		for _, p := range e.r.policies {
			end += p.end
		}
	}
	if p.ramp != nil {
		end = slices.Min(p.ramp) // the first step is in force
	}
	if end < e.r.modulo {
		return "", -1
	}
	return p.tag, last
}

// make makes the edit, and reports whether there is something to judge.
func (e *trial) make() bool {
	amount, err := ParseAmount(fmt.Sprintf("%d/%d", e.n, e.r.modulo))
	if err != nil {
		e.Fatal(err)
	}
	f, tag := e.before, e.tag()
	switch e.verb {
	case "set":
		e.after, err = f.Set(e.rule, now, Goal{tag, amount})
	case "promote":
		e.after, err = f.Promote(e.rule, now, tag)
	case "rollback":
		e.after, err = f.Rollback(e.rule, now, tag)
	case "mode":
		e.after, err = f.SetMode(e.rule, rules.ModeShadow)
	case "name":
		e.after, err = f.SetNames(e.rule, tag, "user0", "0099")
	case "unname":
		e.after, err = f.RemoveNames(e.rule, "user0")
	case "ramp":
		e.after, err = f.Ramp(e.rule, now, tag, RampStep{amount, now.Add(30 * time.Hour)})
	}
	e.context = fmt.Sprintf("%s %s %d of rule %d: %v, of\n%s", e.verb, tag, e.n, e.rule, err, f.src)
	if err == nil {
		e.context += "\n\n" + string(e.after.src)
		return true
	}
	base, _ := e.base()
	_, byHand := errors.AsType[*ByHandError](err)
	for _, fine := range []struct {
		verb, text string
		holds      bool
	}{
		{"set", "at most", true},
		{"ramp", "at most", true},
		{"ramp", "have no ramp", e.r.partitions},
		{"rollback", "is the baseline", tag == base && len(e.r.policies) > 1},
		{"unname", "names no user", len(e.r.overrides) == 0},
	} {
		if !byHand && fine.verb == e.verb && fine.holds && strings.Contains(err.Error(), fine.text) {
			return false
		}
	}
	e.Fatal(e.context)
	return false
}

// tagsAt returns the tag of each bucket, whatever the mode.
func tagsAt(f *File, rule int, t time.Time) (tags []string) {
	in, _ := f.table.At(t)
	for _, p := range shares.Of(in)[rule].Ruler {
		for range p.To - p.From {
			tags = append(tags, p.Tag)
		}
	}
	return tags
}

func (e *trial) judge() {
	e.judgeText()
	if e.verb == "set" {
		e.judgeBack()
	}
	e.judgeNow()
	tag := e.tag()
	base, last := e.base()
	first := map[string]int{} // bucket that a tag ever has
	times := append([]time.Time{now}, slices.Concat(e.before.table.Instants(), e.after.table.Instants())...)
	times = slices.DeleteFunc(times, func(t time.Time) bool { return t.Before(now) })
	slices.SortFunc(times, time.Time.Compare)
	for _, t := range times {
		for b, tag := range tagsAt(e.before, e.rule, t) {
			if at, known := first[tag]; !known || b < at {
				first[tag] = b
			}
		}
	}
	for _, t := range times {
		was, is := tagsAt(e.before, e.rule, t), tagsAt(e.after, e.rule, t)
		for b := range was {
			fine := was[b] == is[b]
			switch e.verb {
			case "promote":
				fine = is[b] == tag
			case "rollback":
				at, known := first[is[b]]
				switch was[b] {
				case "":
					fine = is[b] == "" || is[b] == base
				case tag: // a tag that has it at another time, or whose buckets stand around it, has it
					fine = is[b] == base || is[b] == "" && tag == base || known && is[b] != "" && is[b] != tag && (at <= b || e.r.partitions)
				}
			case "set", "ramp":
				if e.r.policies[e.policy].ramp == nil { // else what it was to become goes too
					fine = fine || was[b] == tag || is[b] == tag || was[b] == ""
				} else {
					fine = true
				}
				if last >= 0 && last != e.policy {
					fine = fine && (was[b] == "" || is[b] != "")
				}
			}
			if !fine {
				e.Fatalf("at %s bucket %d has %q, and had %q: %s", t, b, is[b], was[b], e.context)
			}
		}
	}
	e.judgeLeaving(times, base)
}

// judgeLeaving counts who loses a tag from one instant to the next, bucket by bucket.
func (e *trial) judgeLeaving(times []time.Time, base string) {
	tag := ""
	if e.verb == "set" || e.verb == "ramp" || e.verb == "promote" {
		tag = e.tag()
	}
	mode := func(f *File) rules.Mode { return f.table.Rules()[e.rule].Mode }
	given := func(f *File, t time.Time) []string {
		if mode(f) != rules.ModeEnforce {
			return make([]string, e.r.modulo)
		}
		return tagsAt(f, e.rule, t)
	}
	want := mode(e.before) == rules.ModeEnforce && mode(e.after) != rules.ModeEnforce && slices.ContainsFunc(e.r.policies, func(p drawnPolicy) bool {
		return p.tag != base && e.r.overrides[p.tag] != nil
	})
	was := given(e.before, now)
	is := was
	for _, t := range times {
		wasThen, isThen := given(e.before, t), given(e.after, t)
		for b, had := range is {
			protected := had != "" && (had != base || had == tag)
			planned := was[b] == had && wasThen[b] != had
			want = want || protected && isThen[b] != had && !planned
		}
		was, is = wasThen, isThen
	}
	if err := Leaving(e.before, e.after, e.rule, now, tag); (err != nil) != want {
		e.Fatalf("Leaving = %v, and by counting somebody leaves: %t: %s", err, want, e.context)
	}
}

// judgeNow checks that the edit does what it is asked for.
func (e *trial) judgeNow() {
	table, _ := e.after.table.At(now)
	tag, count := e.tag(), func(t time.Time) (n int) {
		for _, has := range tagsAt(e.after, e.rule, t) {
			if has == e.tag() {
				n++
			}
		}
		return n
	}
	want, at := -1, now
	switch e.verb {
	case "set":
		want = e.n
	case "promote":
		want = e.r.modulo
	case "rollback":
		want = 0
	case "ramp":
		want, at = e.n, now.Add(30*time.Hour)
		if was, is := tagsAt(e.before, e.rule, now), tagsAt(e.after, e.rule, now); !slices.Equal(was, is) && !slices.Contains(was, "") {
			e.Fatalf("somebody moves before the step: %s", e.context)
		}
	case "mode":
		if got := e.after.table.Rules()[e.rule].Mode; got != rules.ModeShadow {
			e.Fatalf("the mode is %s: %s", got, e.context)
		}
	case "name":
		for _, user := range []string{"user0", "0099"} {
			if in := table.Decide(e.rule, 0, []byte(user)); in.Reason != rules.ReasonOverride || table.Tags()[in.Tag].Value != tag {
				e.Fatalf("%s is not named: %s", user, e.context)
			}
		}
	case "unname":
		if in := table.Decide(e.rule, 0, []byte("user0")); in.Reason == rules.ReasonOverride {
			e.Fatalf("user0 is named: %s", e.context)
		}
	}
	if got := count(at); want >= 0 && got != want {
		e.Fatalf("%s has %d buckets, want %d: %s", tag, got, want, e.context)
	}
}

var digits = regexp.MustCompile(`\d+`)

// judgeText checks that nothing changes except what is meant.
func (e *trial) judgeText() {
	before, after := string(e.before.src), string(e.after.src)
	switch e.verb {
	case "set", "promote", "rollback":
		if e.r.policies[e.policy].ramp != nil && e.verb != "rollback" {
			return // an entry comes in the place of the ramp: apply has compared the rest
		}
		if !isButFrom(digits.ReplaceAllString(before, "#"), digits.ReplaceAllString(after, "#")) {
			e.Fatalf("more than numbers changes: %s", e.context)
		}
	case "mode":
		e.linesStay(before, after)
	case "name":
		if !movesName(e.r, e.tag()) { // else the old entry goes
			e.linesStay(before, after)
		}
	}
}

// judgeBack checks that a share that is set back leaves no trace, where ranges ascend and
// everybody has the tag that they had.
func (e *trial) judgeBack() {
	if len(e.before.table.Instants()) > 0 {
		return // a ramp has gone
	}
	last := 0
	for _, p := range e.r.policies { // a range that takes nobody may be any number
		if p.hasFrom || p.end <= last && !e.r.partitions {
			return
		}
		last = p.end
	}
	had := 0
	was := tagsAt(e.before, e.rule, now)
	for _, tag := range was {
		if tag == e.tag() {
			had++
		}
	}
	amount, err := ParseAmount(fmt.Sprintf("%d/%d", had, e.r.modulo))
	if err != nil {
		e.Fatal(err)
	}
	back, err := e.after.Set(e.rule, now, Goal{e.tag(), amount})
	if err != nil || !slices.Equal(tagsAt(back, e.rule, now), was) {
		return // it took all of another tag
	}
	if string(back.src) != string(e.before.src) {
		e.Fatalf("set back it is\n%s\nafter %s", back.src, e.context)
	}
}

// newFrom is an entry that has a policy begin later, with what parts it from the next one. In
// JSON the quote of the next key is in it, and its own stands before it.
var newFrom = regexp.MustCompile(`^from"?: #(?:, |,?\r?\n *)"?`)

// isButFrom reports whether after is before with new entries for where a policy begins.
func isButFrom(before, after string) bool {
	for before != "" || after != "" {
		i := 0
		for i < len(before) && i < len(after) && before[i] == after[i] {
			i++
		}
		before, after = before[i:], after[i:]
		if before == "" && after == "" {
			return true
		}
		entry := newFrom.FindString(after)
		if entry == "" {
			return false
		}
		after = after[len(entry):]
	}
	return true
}

// movesName reports whether user0 is named for another tag.
func movesName(r drawnRule, tag string) bool {
	for of, users := range r.overrides {
		if of != tag && slices.Contains(users, "user0") {
			return true
		}
	}
	return false
}

// linesStay checks that at most one line changes, and that what comes is at one place.
func (e *trial) linesStay(before, after string) {
	was, is := strings.Split(strings.TrimSuffix(before, "\n"), "\n"), strings.Split(strings.TrimSuffix(after, "\n"), "\n")
	if last := len(was) - 1; len(is) > 0 { // DOS's line break comes with a line behind the last one
		was[last], is[len(is)-1] = strings.TrimSuffix(was[last], "\r"), strings.TrimSuffix(is[len(is)-1], "\r")
	}
	for len(was) > 0 && len(is) > 0 && was[0] == is[0] {
		was, is = was[1:], is[1:]
	}
	for len(was) > 0 && len(is) > 0 && was[len(was)-1] == is[len(is)-1] {
		was, is = was[:len(was)-1], is[:len(is)-1]
	}
	if len(was) > 1 {
		e.Fatalf("the lines %q change: %s", was, e.context)
	}
}
