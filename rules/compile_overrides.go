package rules

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tagproc/tagproc/source"
)

// A namedUser is a value of a key that an override names.
type namedUser struct {
	key   int // index into Rule.Keys, or anyKey
	value string
}

// anyKey is the key of a user who is named wherever the id stands.
const anyKey = -1

// overrides compiles the named users of a rule; nil: there are none.
func (c *compiler) overrides(n *ruleNode, r *Rule) (named map[namedUser]outcome) {
	line := map[namedUser]int{}
	for i := range n.overrides.Elements {
		o := &n.overrides.Elements[i]
		c.overrideOutcome(o)
		key, ok := c.overrideKey(o, r)
		out := outcome{policy: int32(i), tag: NoTag}
		if o.tagValue.OK() {
			out.tag = c.tag(r.TagHeader, o.tagValue)
		}
		var values []string
		for _, v := range o.values.Elements {
			if !v.OK() {
				continue
			}
			value := TrimBlanks(v.V)
			if wrong := checkOverrideValue(value); wrong != "" {
				c.file.problem(v.Place, KindOverride, fmt.Sprintf("the value %q %s", source.Shorten(v.V), wrong))
				continue
			}
			if at := strings.IndexFunc(value, isUnseen); at >= 0 {
				unseen, _ := utf8.DecodeRuneInString(value[at:])
				c.file.note(v.Place, source.Warning, KindOverride, fmt.Sprintf("the value %q has the invisible character %U, and matches no id that is without it; delete it unless the ids have it", source.Shorten(v.V), unseen))
			}
			if first := decidedIn(line, key, value, len(r.Keys)); first > 0 {
				c.file.problem(v.Place, KindOverride, fmt.Sprintf("duplicate value %q (first at line %d); remove one", source.Shorten(value), first))
				continue
			}
			user := namedUser{key, value}
			line[user] = v.Line()
			values = append(values, value)
			if named == nil {
				named = map[namedUser]outcome{}
			}
			if ok {
				named[user] = out
			}
		}
		made := Override{Values: values, TagValue: o.tagValue.V}
		if ok && key != anyKey {
			made.Key = &r.Keys[key]
		}
		r.Overrides = append(r.Overrides, made)
	}
	return named
}

// decidedIn returns the line that already names a value for the same key, or 0.
func decidedIn(line map[namedUser]int, key int, value string, keys int) int {
	if first := line[namedUser{anyKey, value}]; first > 0 {
		return first
	}
	if key != anyKey {
		return line[namedUser{key, value}]
	}
	for k := range keys {
		if first := line[namedUser{k, value}]; first > 0 {
			return first
		}
	}
	return 0
}

// overrideKey returns the index of the key that an override is about.
func (c *compiler) overrideKey(o *overrideNode, r *Rule) (key int, ok bool) {
	if o.key == nil {
		ids := slices.DeleteFunc(slices.Clone(r.Keys), func(k Key) bool { return k.Source == KeyVisitor })
		if len(ids) > 1 {
			c.file.note(o.pos, source.Warning, KindOverride, fmt.Sprintf("this override takes its users by any of the keys %s: whoever can set one of them can become a named user; add the key that is meant, such as \"key: {%s: %s}\"",
				keysText(ids), ids[0].Source, ids[0].Name))
		}
		return anyKey, true
	}
	k := Key{Source: KeyHeader, Name: strings.ToLower(o.key.header.V)}
	switch {
	case o.key.other:
		return anyKey, false
	case o.key.cookie.Set:
		k = Key{KeyCookie, o.key.cookie.V}
	case o.key.query.Set:
		k = Key{KeyQuery, o.key.query.V}
	case o.key.visitor != nil:
		k = Key{KeyVisitor, o.key.visitor.cookie.V}
	}
	if key = slices.Index(r.Keys, k); key < 0 && len(r.Keys) > 0 {
		c.file.problem(o.key.pos, KindOverride, fmt.Sprintf("the rule has no key %q; expected one of %s", k, keysText(r.Keys)))
	}
	return key, key >= 0
}

// overridesOf returns the users who are named by the key of index key.
func overridesOf(named map[namedUser]outcome, key int) (of map[string]outcome) {
	for user, o := range named {
		if user.key == anyKey || user.key == key {
			if of == nil {
				of = map[string]outcome{}
			}
			of[user.value] = o
		}
	}
	return of
}

// overrideOutcome checks that an override says what its users get, once, and
// who they are.
func (c *compiler) overrideOutcome(o *overrideNode) {
	none := o.none.OK() && o.none.V
	switch {
	case none && o.tagValue.Set:
		c.file.problem(o.tagValue.Place, KindOverride, "this override has both a tagValue and \"none: true\"; remove one")
	case !none && !o.tagValue.Set && !o.none.Bad:
		c.file.problem(o.pos, source.KindMissing, "this override does not say what its users get; add a tagValue, or \"none: true\" to keep them untagged")
	}
	if o.values.Bad {
		return
	}
	if !o.values.Set {
		c.file.problem(o.pos, source.KindMissing, "this override has no values; add the list of user ids that it decides for")
	} else if len(o.values.Elements) == 0 {
		c.file.problem(o.values.Place, KindOverride, "this override names nobody; list user ids under values, or remove the override")
	}
}

// isUnseen reports whether r looks like a blank or like nothing, as what is copied from
// web pages has it: a no-break space, or a character without width.
func isUnseen(r rune) bool {
	return r > 0x7f && (unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zs, r))
}

// checkOverrideValue returns why no key can be equal to the value key, or "". HTTP allows
// no control characters in values of headers.
func checkOverrideValue(key string) string {
	switch {
	case key == "":
		return "is empty, and no rule applies to an empty key; name a user, or remove it"
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return "can never match: it has a control character"
	}
	return ""
}
