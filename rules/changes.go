package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ChangeKind names a sort of change, for scripts that read changes as JSON.
type ChangeKind string

// The kinds of changes.
const (
	ChangeRuleAdded   ChangeKind = "rule-added"
	ChangeRuleRemoved ChangeKind = "rule-removed"
	ChangeOrder       ChangeKind = "order"  // of rules that stay
	ChangeKey         ChangeKind = "key"    // moves users
	ChangeHash        ChangeKind = "hash"   // moves users
	ChangeSalt        ChangeKind = "salt"   // moves users
	ChangeModulo      ChangeKind = "modulo" // moves users
	ChangeMatch       ChangeKind = "match"
	ChangeMode        ChangeKind = "mode"
	ChangeTagHeader   ChangeKind = "tag-header"  // of a rule
	ChangeOverrides   ChangeKind = "overrides"   // users named for one tag
	ChangeRange       ChangeKind = "range"       // buckets of one tag
	ChangeOwned       ChangeKind = "owned"       // one owned header, or one prefix
	ChangePropagation ChangeKind = "propagation" // of one owned header, or one prefix
	ChangeTrust       ChangeKind = "trust-client-tags"
	ChangeVisitor     ChangeKind = "visitor" // the cookie of a visitor
)

// A Change is one thing that differs between two tables.
type Change struct {
	Kind   ChangeKind `json:"kind"`
	Rule   string     `json:"rule,omitempty"`   // its name; "" where the change is not of one rule
	Before string     `json:"before,omitempty"` // "" where there was nothing
	After  string     `json:"after,omitempty"`  // "" where nothing is left

	// TagHeader is the header that the change is about, of ChangeOrder,
	// ChangeOverrides and ChangeRange. "" of ChangeOrder: rules that share no tag
	// header stand in another order, which changes no decision.
	TagHeader string `json:"tagHeader,omitempty"`
	// TagValue is the tag that the users of ChangeOverrides ("": no tag) and the
	// buckets of ChangeRange get.
	TagValue string `json:"tagValue,omitempty"`
	// Named and Unnamed are the users that ChangeOverrides adds and takes away,
	// sorted. They are ids of people: String leaves them out.
	Named   []string `json:"named,omitempty"`
	Unnamed []string `json:"unnamed,omitempty"`
	// MovesUsers says that users change buckets, and so may change tags whatever
	// the ranges are.
	MovesUsers bool `json:"movesUsers,omitempty"`
}

// String returns the change in one line, for people, such as "rule checkout: s2
// takes buckets 0 to 19 → 0 to 49". It has no user ids.
func (c Change) String() string {
	edit := cmp.Or(c.Before, "none") + " → " + cmp.Or(c.After, "none")
	switch c.Kind {
	case ChangeRuleAdded:
		return fmt.Sprintf("rule %s added: %s", c.Rule, c.After)
	case ChangeRuleRemoved:
		return fmt.Sprintf("rule %s removed: %s", c.Rule, c.Before)
	case ChangeOrder:
		if c.TagHeader == "" {
			return "rules stand in another order, which changes no decision"
		}
		return fmt.Sprintf("rules of %s decide in another order: %s", c.TagHeader, edit)
	case ChangeOverrides:
		return fmt.Sprintf("rule %s: users named for %s: %d added, %d removed", c.Rule, cmp.Or(c.TagValue, "no tag"), len(c.Named), len(c.Unnamed))
	case ChangeRange:
		return fmt.Sprintf("rule %s: %s takes buckets %s", c.Rule, c.TagValue, edit)
	case ChangeOwned:
		if c.Before == "" {
			return fmt.Sprintf("tag header %s is owned now", c.After)
		}
		return fmt.Sprintf("tag header %s is not owned any more", c.Before)
	case ChangePropagation:
		if c.Before == "" {
			return fmt.Sprintf("tag header %s travels as baggage now", c.After)
		}
		return fmt.Sprintf("tag header %s does not travel as baggage any more", c.Before)
	case ChangeVisitor:
		return "visitor's cookie " + edit
	case ChangeTrust:
		return "trustClientTags " + edit
	}
	text := fmt.Sprintf("rule %s: %s %s", c.Rule, changedFields[c.Kind], edit)
	if c.MovesUsers {
		text += " (users change buckets)"
	}
	return text
}

// changedFields are the fields of a rule as rules files call them.
var changedFields = map[ChangeKind]string{
	ChangeKey: "key", ChangeHash: "hash", ChangeSalt: "salt", ChangeModulo: "modulo",
	ChangeMatch: "match", ChangeMode: "mode", ChangeTagHeader: "tagHeader",
}

// Changes returns what differs between two tables, which is nothing exactly if
// their digests are equal: first what is not of one rule, then the rules of
// after in their order, then those that are gone. A rule is known by its name.
// nil stands for a table without rules that owns nothing. What a ramp was before its step
// at an instant is left out, unless nothing else differs; zero: nothing is left out.
func Changes(before, after *Table, at time.Time) []Change {
	if before == nil {
		before = &Table{}
	}
	if after == nil {
		after = &Table{}
	}
	cs := CommonChanges(before, after)
	was, is := before.places(), after.places()
	cs = append(cs, orderChanges(was, after)...)
	for i, r := range after.rules {
		if j, stays := was[r.Name]; stays {
			cs = append(cs, ruleChanges(before, j, after, i, at)...)
		} else {
			cs = append(cs, Change{Kind: ChangeRuleAdded, Rule: r.Name, After: after.describe(i, before, at) + after.forestalled(i, was)})
		}
	}
	for i, r := range before.rules {
		if _, stays := is[r.Name]; !stays {
			cs = append(cs, Change{Kind: ChangeRuleRemoved, Rule: r.Name, Before: before.describe(i, after, at)})
		}
	}
	return cs
}

// CommonChanges returns what differs between two tables that is not of one rule, nor of their
// order: who is trusted, the owned headers, which of them travel, and cookies of visitors.
func CommonChanges(before, after *Table) (cs []Change) {
	if before.trust != after.trust {
		cs = append(cs, Change{Kind: ChangeTrust, Before: strconv.FormatBool(before.trust), After: strconv.FormatBool(after.trust)})
	}
	cs = append(cs, ownedChanges(ChangeOwned, before.owned, after.owned)...)
	cs = append(cs, ownedChanges(ChangePropagation, before.propagated, after.propagated)...)
	return append(cs, visitorChanges(before.visitors, after.visitors)...)
}

// visitorChanges compares cookies by their names.
func visitorChanges(before, after []Visitor) (cs []Change) {
	was := map[string]string{}
	for _, v := range before {
		was[v.Cookie] = v.String()
	}
	for _, v := range after {
		if text := v.String(); was[v.Cookie] != text {
			cs = append(cs, Change{Kind: ChangeVisitor, Before: was[v.Cookie], After: text})
		}
		delete(was, v.Cookie)
	}
	for _, v := range before {
		if text, gone := was[v.Cookie]; gone {
			cs = append(cs, Change{Kind: ChangeVisitor, Before: text})
		}
	}
	return cs
}

// places returns the indices of the rules by their names.
func (t *Table) places() map[string]int {
	places := make(map[string]int, len(t.rules))
	for i, r := range t.rules {
		places[r.Name] = i
	}
	return places
}

// ownedChanges compares headers, and then prefixes, which are shown with a *.
func ownedChanges(k ChangeKind, before, after Owned) []Change {
	return append(nameChanges(k, before.Headers, after.Headers, ""), nameChanges(k, before.Prefixes, after.Prefixes, "*")...)
}

// nameChanges compares sorted names, which are shown with suffix.
func nameChanges(k ChangeKind, before, after []string, suffix string) (cs []Change) {
	for _, name := range after {
		if _, was := slices.BinarySearch(before, name); !was {
			cs = append(cs, Change{Kind: k, After: name + suffix})
		}
	}
	for _, name := range before {
		if _, is := slices.BinarySearch(after, name); !is {
			cs = append(cs, Change{Kind: k, Before: name + suffix})
		}
	}
	return cs
}

// orderChanges compares the order of the rules that stay. It matters among enforced rules
// of one tag header: the first that applies decides.
func orderChanges(was map[string]int, after *Table) (cs []Change) {
	var stay, headers []string
	deciding := map[string][]string{} // by tag header
	for _, r := range after.rules {
		if _, stays := was[r.Name]; !stays {
			continue
		}
		stay = append(stay, r.Name)
		if r.Mode == ModeEnforce {
			if deciding[r.TagHeader] == nil {
				headers = append(headers, r.TagHeader)
			}
			deciding[r.TagHeader] = append(deciding[r.TagHeader], r.Name)
		}
	}
	byPlace := func(a, b string) int { return cmp.Compare(was[a], was[b]) }
	if slices.IsSortedFunc(stay, byPlace) {
		return nil
	}
	for _, h := range headers {
		names := deciding[h]
		if earlier := slices.SortedFunc(slices.Values(names), byPlace); !slices.Equal(earlier, names) {
			cs = append(cs, Change{Kind: ChangeOrder, TagHeader: h, Before: strings.Join(earlier, ", "), After: strings.Join(names, ", ")})
		}
	}
	if cs == nil {
		return []Change{{Kind: ChangeOrder}}
	}
	return cs
}
