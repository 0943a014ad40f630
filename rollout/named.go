package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// SetNames gives users a tag, whatever their hash says. In a rule with several keys they
// are known by the first of them. Users who are named for something else are no longer.
func (f *File) SetNames(rule int, tag string, users ...string) (*File, error) {
	users, err := distinct(users)
	if err != nil {
		return nil, err
	}
	e := f.names(rule)
	if has := tagsOf(e.rule); !slices.Contains(has, tag) {
		return nil, fmt.Errorf("rule %s has no tag %s; its tags are %s%s", e.rule.Name, tag, strings.Join(has, ", "), nearTag([]rules.Rule{*e.rule}, []string{tag}))
	}
	for _, u := range users {
		at, i := e.find(u)
		if at >= 0 && e.rule.Overrides[at].TagValue == tag {
			continue
		}
		if at >= 0 {
			e.remove(at, i)
		}
		e.add(tag, u)
	}
	return e.done()
}

// RemoveNames has the hash decide on users whom overrides name.
func (f *File) RemoveNames(rule int, users ...string) (*File, error) {
	users, err := distinct(users)
	if err != nil {
		return nil, err
	}
	e := f.names(rule)
	for _, u := range users {
		at, i := e.find(u)
		if at < 0 {
			return nil, fmt.Errorf("rule %s names no user %q%s", e.rule.Name, source.Shorten(u), f.ruleAmong([]string{u}))
		}
		e.remove(at, i)
	}
	return e.done()
}

// distinct returns users as keys are compared, each once.
func distinct(users []string) (out []string, err error) {
	for _, u := range users {
		u = rules.TrimBlanks(u)
		if u == "" {
			return nil, fmt.Errorf("a user's id is empty; expected one that requests have")
		}
		if !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	return out, nil
}

// A naming is an edit of the overrides of a rule.
type naming struct {
	file  *File
	want  []rules.Rule
	index int
	rule  *rules.Rule
	steps []step
}

func (f *File) names(rule int) *naming {
	n := &naming{file: f, want: f.rulesAt(time.Time{}), index: rule}
	n.rule = &n.want[rule]
	return n
}

// key returns the key by which users are named; nil: the rule has one.
func (n *naming) key() *rules.Key {
	ids := slices.DeleteFunc(slices.Clone(n.rule.Keys), func(k rules.Key) bool { return k.Source == rules.KeyVisitor })
	if len(ids) < 2 {
		return nil
	}
	return &ids[0]
}

// isOurs reports whether an override names users by the key that new ones have.
func (n *naming) isOurs(o *rules.Override) bool {
	k := n.key()
	return o.Key == nil || k == nil || *o.Key == *k
}

// find returns the override that names a user, and where in it; -1: none does.
func (n *naming) find(user string) (at, i int) {
	for at := range n.rule.Overrides {
		if o := &n.rule.Overrides[at]; n.isOurs(o) {
			if i := slices.Index(o.Values, user); i >= 0 {
				return at, i
			}
		}
	}
	return -1, -1
}

// remove removes value i of an override, and what is empty then.
func (n *naming) remove(at, i int) {
	o := &n.rule.Overrides[at]
	switch {
	case len(o.Values) > 1:
		n.steps = append(n.steps, removed(i, n.index, "overrides", at, "values"))
		o.Values = slices.Delete(o.Values, i, i+1)
		return
	case len(n.rule.Overrides) > 1:
		n.steps = append(n.steps, removed(at, n.index, "overrides"))
	default:
		n.steps = append(n.steps, removedKey("overrides", n.index))
	}
	n.rule.Overrides = slices.Delete(n.rule.Overrides, at, at+1)
}

// add names a user: beside others with the tag, or in an override of its own.
func (n *naming) add(tag, user string) {
	key := n.key()
	for at := range n.rule.Overrides {
		o := &n.rule.Overrides[at]
		if o.TagValue == tag && (key == nil || o.Key != nil && *o.Key == *key) {
			n.steps = append(n.steps, appended(user, n.index, "overrides", at, "values"))
			o.Values = append(o.Values, user)
			return
		}
	}
	pairs := []source.Pair{{Key: "values", Value: []any{user}}, {Key: "tagValue", Value: tag}}
	if key != nil {
		pairs = slices.Insert(pairs, 0, source.Pair{Key: "key", Value: []source.Pair{{Key: key.Source.String(), Value: key.Name}}})
	}
	if len(n.rule.Overrides) > 0 {
		n.steps = append(n.steps, appended(pairs, n.index, "overrides"))
	} else {
		n.steps = append(n.steps, put([]any{n.index}, "overrides", []any{pairs}, "policies", "partitions", "partitionedPolicies"))
	}
	n.rule.Overrides = append(n.rule.Overrides, rules.Override{Key: key, Values: []string{user}, TagValue: tag})
}

func (n *naming) done() (*File, error) {
	if len(n.steps) == 0 {
		return n.file, nil
	}
	return n.file.apply(n.want, n.steps...)
}
