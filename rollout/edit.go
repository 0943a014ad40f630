package rollout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tagproc/tagproc/rules"
)

// A Goal is the share that a tag is to have.
type Goal struct {
	Tag    string
	Amount Amount
}

// Set gives tags shares of the users of a rule, as of now. Their ends move: the tags behind
// give way, or take what is left. A ramp of such a tag ends.
func (f *File) Set(rule int, now time.Time, goals ...Goal) (*File, error) {
	e := f.edit(rule, now)
	type target struct {
		policy int
		n      uint32
		tag    string
	}
	var targets []target
	for _, g := range goals {
		i, err := e.policy(g.Tag)
		if err != nil {
			return nil, err
		}
		n, err := g.Amount.buckets(e.rule.Modulo)
		if err != nil {
			return nil, fmt.Errorf("%s=%w", g.Tag, err)
		}
		if slices.ContainsFunc(targets, func(t target) bool { return t.policy == i }) {
			return nil, fmt.Errorf("%s is given two shares; give it one", g.Tag)
		}
		targets = append(targets, target{i, n, g.Tag})
	}
	slices.SortFunc(targets, func(a, b target) int { return a.policy - b.policy }) // each follows from those before it
	for _, t := range targets {
		old := e.layout.clone()
		if err := e.layout.resize(t.policy, t.n); err != nil {
			return nil, err
		}
		e.end(t.policy)
		e.layout.follow(t.policy, old, now)
	}
	for _, t := range targets {
		if got := e.layout.count(t.policy); got != t.n {
			return nil, fmt.Errorf("%s would have %s, and not %s: the shares do not fit together", t.tag, ShareText(got, e.rule.Modulo), ShareText(t.n, e.rule.Modulo))
		}
	}
	return e.done()
}

// Promote gives all users of a rule to a tag. Users whom overrides name keep theirs.
func (f *File) Promote(rule int, now time.Time, tag string) (*File, error) {
	e := f.edit(rule, now)
	i, err := e.policy(tag)
	if err != nil {
		return nil, err
	}
	e.layout.promote(i)
	for k := range i {
		e.zero(k)
	}
	e.end(i)
	return e.done()
}

// Rollback takes a tag from all users of a rule, and those whom overrides name keep it. Its
// users go to the baseline, and other tags keep theirs, as far as the file can say that;
// [Takers] says where it cannot. A ramp keeps its instants, with nobody at each.
func (f *File) Rollback(rule int, now time.Time, tag string) (*File, error) {
	after, err := f.rollback(rule, now, tag, true)
	if _, byHand := errors.AsType[*ByHandError](err); byHand { // to be rid of the tag comes first
		if numbers, err := f.rollback(rule, now, tag, false); err == nil {
			return numbers, nil
		}
	}
	return after, err
}

// rollback takes a tag from all users. Only if spare is set, policies behind it begin where
// they keep what they have.
func (f *File) rollback(rule int, now time.Time, tag string, spare bool) (*File, error) {
	e := f.edit(rule, now)
	if base := baseline(e.rule, now); tag == base && slices.ContainsFunc(e.rule.Policies, func(p rules.Policy) bool { return p.TagValue != base }) {
		return nil, fmt.Errorf("%s is the baseline of rule %s, to which a rollback takes users: name a canary, one of %s", tag, e.rule.Name, strings.Join(slices.DeleteFunc(tagsOf(e.rule), func(t string) bool { return t == tag }), ", "))
	}
	found := false
	for i, p := range slices.Backward(e.rule.Policies) { // those behind take nothing from those before
		if p.TagValue != tag {
			continue
		}
		found = true
		e.layout.rollBack(i, now, spare)
	}
	if !found {
		return nil, e.noPolicy(tag)
	}
	return e.done()
}

// SetMode sets the mode of a rule: enforce, shadow or off.
func (f *File) SetMode(rule int, mode rules.Mode) (*File, error) {
	want := f.rulesAt(time.Time{})
	if want[rule].Mode == mode {
		return f, nil
	}
	want[rule].Mode = mode
	list, _ := rulesIn(f.Name, f.src)
	change := put([]any{rule}, "mode", mode.String(), "overrides", "policies", "partitions", "partitionedPolicies")
	if list.Get(rule, "mode").IsScalar() {
		change = number(mode, rule, "mode")
	}
	return f.apply(want, change)
}

// An edit is one of the policies of a rule.
type edit struct {
	file   *File
	want   []rules.Rule // what the rules mean after it
	index  int          // of the rule
	rule   *rules.Rule  // in want
	old    rules.Rule
	key    string // of the policies
	layout layout // whose policies are those of rule
}

func (f *File) edit(rule int, now time.Time) *edit {
	key, partitions := f.policiesKey(rule)
	e := &edit{file: f, want: f.rulesAt(now), index: rule, key: key, old: f.rulesAt(now)[rule]}
	e.rule = &e.want[rule]
	e.layout = layout{modulo: e.rule.Modulo, partitions: partitions, policies: e.rule.Policies}
	return e
}

// policy returns the index of the only policy that gives a tag.
func (e *edit) policy(tag string) (int, error) {
	at := -1
	for i, p := range e.rule.Policies {
		switch {
		case p.TagValue != tag:
		case at >= 0:
			return 0, fmt.Errorf("rule %s has several policies with the tag %s, which a share does not tell apart; edit their ranges", e.rule.Name, tag)
		default:
			at = i
		}
	}
	if at < 0 {
		return 0, e.noPolicy(tag)
	}
	return at, nil
}

func (e *edit) noPolicy(tag string) error {
	return fmt.Errorf("rule %s has no policy with the tag %s; add one to the file first", e.rule.Name, tag)
}

// end ends the ramp of policy i, whose range stays.
func (e *edit) end(i int) { e.rule.Policies[i].Ramp = nil }

// zero gives policy i no bucket, at any instant.
func (e *edit) zero(i int) {
	for k := range e.rule.Policies[i].Ramp {
		e.rule.Policies[i].Ramp[k].Range = 0
	}
}

// done returns the file in which the policies of the rule are those of the layout.
func (e *edit) done() (*File, error) {
	var steps []step
	for i := range e.rule.Policies {
		was, is := &e.old.Policies[i], &e.rule.Policies[i]
		path := []any{e.index, e.key, i}
		at := func(key ...any) []any { return slices.Concat(path, key) }
		if !e.layout.partitions {
			steps = append(steps, e.from(i)...)
		}
		switch {
		case e.layout.partitions:
			if size := is.Range - is.From; size != was.Range-was.From {
				steps = append(steps, number(size, at("partitionSize")...))
			}
		case was.Ramp != nil && is.Ramp == nil:
			steps = append(steps, put(path, "range", is.Range, "ramp"), removedKey("ramp", path...), removedKey("allowDecrease", path...))
		case was.Ramp != nil:
			for k := range is.Ramp {
				if is.Ramp[k].Range != was.Ramp[k].Range {
					steps = append(steps, number(is.Ramp[k].Range, at("ramp", k, "range")...))
				}
			}
		case is.Range != was.Range:
			steps = append(steps, number(is.Range, at("range")...))
		}
	}
	if len(steps) == 0 {
		return e.file, nil
	}
	return e.file.apply(e.want, steps...)
}

// from returns the step that has policy i begin where it is to begin, if there is one.
func (e *edit) from(i int) []step {
	is := e.rule.Policies[i].From
	if is == e.old.Policies[i].From {
		return nil
	}
	list, _ := rulesIn(e.file.Name, e.file.src)
	if !list.Get(e.index, e.key, i, "from").Exists() {
		return []step{put([]any{e.index, e.key, i}, "from", is, "range", "ramp")}
	}
	return []step{number(is, e.index, e.key, i, "from")}
}
