package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ruleChanges compares a rule that stays: that of index i in before with that of
// index j in after. Steps of ramps that have passed at an instant are left out, unless
// nothing else differs.
func ruleChanges(before *Table, i int, after *Table, j int, at time.Time) (cs []Change) {
	b, a := &before.rules[i], &after.rules[j]
	hide := func(m Match) string { return matchText(m, before, after) }
	field := func(k ChangeKind, was, is string) {
		if was != is {
			moves := k == ChangeKey || k == ChangeHash || k == ChangeSalt || k == ChangeModulo
			cs = append(cs, Change{Kind: k, Rule: a.Name, Before: was, After: is, MovesUsers: moves})
		}
	}
	field(ChangeMode, b.Mode.String(), a.Mode.String())
	field(ChangeKey, keysText(b.Keys), keysText(a.Keys))
	if b.Match.String() != a.Match.String() {
		cs = append(cs, Change{Kind: ChangeMatch, Rule: a.Name, Before: hide(b.Match), After: hide(a.Match)})
	}
	field(ChangeHash, b.Hash.String(), a.Hash.String())
	field(ChangeSalt, b.Salt, a.Salt)
	field(ChangeModulo, strconv.Itoa(int(b.Modulo)), strconv.Itoa(int(a.Modulo)))
	field(ChangeTagHeader, b.TagHeader, a.TagHeader)
	cs = append(cs, overrideChanges(a, before.named(i), after.named(j))...)
	ranges := rangeChanges(a, before.spans(i, at), after.spans(j, at))
	if ranges == nil {
		ranges = rangeChanges(a, before.spans(i, time.Time{}), after.spans(j, time.Time{}))
	}
	return append(cs, ranges...)
}

// matchText returns m without ids of users: what is a key in either table may be one.
func matchText(m Match, before, after *Table) string {
	return (&Table{keys: slices.Concat(before.keys, after.keys)}).MatchText(m)
}

// named returns the tag ("": none) of each user whom the rule of index rule names.
func (t *Table) named(rule int) map[string]string {
	named := make(map[string]string, len(t.program(rule).named))
	for user, o := range t.program(rule).named {
		text := user.value
		if user.key != anyKey {
			text += " (" + t.rules[rule].Keys[user.key].String() + ")"
		}
		named[text] = t.tagText(o)
	}
	return named
}

// overrideChanges compares whom a rule names, one Change for each tag.
func overrideChanges(r *Rule, before, after map[string]string) (cs []Change) {
	byTag := map[string]*Change{}
	of := func(tag string) *Change {
		if byTag[tag] == nil {
			byTag[tag] = &Change{Kind: ChangeOverrides, Rule: r.Name, TagHeader: r.TagHeader, TagValue: tag}
		}
		return byTag[tag]
	}
	for user, tag := range after {
		if was, named := before[user]; !named || was != tag {
			c := of(tag)
			c.Named = append(c.Named, user)
		}
	}
	for user, tag := range before {
		if is, named := after[user]; !named || is != tag {
			c := of(tag)
			c.Unnamed = append(c.Unnamed, user)
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(byTag)) {
		c := byTag[tag]
		slices.Sort(c.Named)
		slices.Sort(c.Unnamed)
		cs = append(cs, *c)
	}
	return cs
}

// A span is the buckets of one tag: "0 to 19, 50 to 59", and, of ramps, what they
// are from each later instant on at which they change: "0 to 9, then none from …".
type span struct{ tag, buckets string }

// spans returns the buckets of each tag of the rule of index rule at an instant and from
// then on, in the order of the first of them.
func (t *Table) spans(rule int, from time.Time) []span {
	var order []int32
	text, last := map[int32]string{}, map[int32]string{}
	for at, p := range t.programs(rule, from) {
		buckets := map[int32][]string{}
		from := uint32(0)
		for _, s := range p.steps {
			if _, known := text[s.tag]; !known && s.tag != NoTag {
				order = append(order, s.tag)
				text[s.tag], last[s.tag] = "", "none"
				if at == "" {
					last[s.tag] = ""
				}
			}
			buckets[s.tag] = append(buckets[s.tag], fmt.Sprintf("%d to %d", from, s.bound-1))
			from = s.bound
		}
		for _, tag := range order {
			now := cmp.Or(strings.Join(buckets[tag], ", "), "none")
			switch {
			case now == last[tag]:
				continue
			case at == "":
				text[tag] = now
			default:
				text[tag] = cmp.Or(text[tag], "none") + fmt.Sprintf(", then %s from %s", now, at)
			}
			last[tag] = now
		}
	}
	spans := make([]span, len(order))
	for i, tag := range order {
		spans[i] = span{t.tags[tag].Value, text[tag]}
	}
	return spans
}

// rangeChanges compares which tags take which buckets, one Change for each tag:
// first those of after.
func rangeChanges(r *Rule, before, after []span) (cs []Change) {
	was := map[string]string{}
	for _, s := range before {
		was[s.tag] = s.buckets
	}
	change := func(tag, was, is string) {
		if was != is {
			cs = append(cs, Change{Kind: ChangeRange, Rule: r.Name, TagHeader: r.TagHeader, TagValue: tag, Before: was, After: is})
		}
	}
	for _, s := range after {
		change(s.tag, was[s.tag], s.buckets)
		delete(was, s.tag)
	}
	for _, s := range before {
		change(s.tag, was[s.tag], "")
	}
	return cs
}

// describe returns the rule of index rule in one line, defaults left out. other is the table
// that t is compared with. Steps of ramps that have passed at an instant are left out.
func (t *Table) describe(rule int, other *Table, at time.Time) string {
	r := &t.rules[rule]
	var b strings.Builder
	b.WriteString(keysText(r.Keys))
	if !r.Match.IsZero() {
		fmt.Fprintf(&b, ", match %s", matchText(r.Match, t, other))
	}
	if r.Hash != FNV1a32 {
		fmt.Fprintf(&b, ", hash %s", r.Hash)
	}
	if r.Salt != "" {
		fmt.Fprintf(&b, " with salt %q", r.Salt)
	}
	if r.Modulo != DefaultModulo {
		fmt.Fprintf(&b, ", modulo %d", r.Modulo)
	}
	if r.Mode != ModeEnforce {
		fmt.Fprintf(&b, ", mode %s", r.Mode)
	}
	fmt.Fprintf(&b, " → %s: ", r.TagHeader)
	var tags []string
	for _, s := range t.spans(rule, at) {
		tags = append(tags, fmt.Sprintf("%s takes buckets %s", s.tag, s.buckets))
	}
	b.WriteString(cmp.Or(strings.Join(tags, "; "), "no policy takes a bucket"))
	if n := len(t.program(rule).named); n > 0 {
		fmt.Fprintf(&b, "; users named: %d", n)
	}
	return b.String()
}

// forestalled returns the end of a text about a new rule that says which rule no longer
// comes first for its tag header, or "".
func (t *Table) forestalled(rule int, was map[string]int) string {
	r := &t.rules[rule]
	if r.Mode != ModeEnforce {
		return ""
	}
	for _, later := range t.rules[rule+1:] {
		if _, stays := was[later.Name]; stays && later.Mode == ModeEnforce && later.TagHeader == r.TagHeader {
			return "; decides before rule " + later.Name
		}
	}
	return ""
}
