package shares

import (
	"slices"
	"strings"

	"github.com/tagproc/tagproc/rules"
)

// A choice is what decides a tag header for some requests: a rule and one of its keys.
type choice struct{ rule, key int }

// nobody is the choice of requests that no rule applies to.
var nobody = choice{-1, -1}

// A side is the enforced rules of one tag header of one table.
type side struct {
	table *rules.Table
	all   []rules.Rule
	tags  []rules.Tag
	rules []int // indexes of all
}

func newSide(t *rules.Table, header string) side {
	s := side{table: t}
	if t == nil {
		return s
	}
	s.all, s.tags = t.Rules(), t.Tags()
	for i := range s.all {
		if s.all[i].TagHeader == header && s.all[i].Mode == rules.ModeEnforce {
			s.rules = append(s.rules, i)
		}
	}
	return s
}

// choices returns all choices of s, and nobody at last.
func (s side) choices() (all []choice) {
	for _, i := range s.rules {
		for k := range s.all[i].Keys {
			all = append(all, choice{i, k})
		}
	}
	return append(all, nobody)
}

// A request is what is known of some requests: whose matches they meet, and which keys
// they have. They have nothing that is not in it, except what every request has.
type request struct {
	matches [2]*rules.Match // nil: none
	keys    [2]*rules.Key
}

// meets reports whether the requests meet a match.
func (r *request) meets(m *rules.Match) bool {
	if m.IsZero() {
		return true
	}
	return slices.ContainsFunc(r.matches[:], func(known *rules.Match) bool { return known != nil && implies(known, m) })
}

// has reports whether the requests have a key. Every visitor has an id.
func (r *request) has(k rules.Key) bool {
	if k.Source == rules.KeyVisitor {
		return true
	}
	return slices.ContainsFunc(r.keys[:], func(known *rules.Key) bool { return known != nil && *known == k })
}

// decides returns what decides for r.
func (s side) decides(r *request) choice {
	for _, i := range s.rules {
		if rule := &s.all[i]; r.meets(&rule.Match) {
			if k := slices.IndexFunc(rule.Keys, r.has); k >= 0 {
				return choice{i, k}
			}
		}
	}
	return nobody
}

// need adds to r what requests need so that c decides.
func (s side) need(r *request, at int, c choice) {
	if c != nobody {
		r.matches[at], r.keys[at] = &s.all[c.rule].Match, &s.all[c.rule].Keys[c.key]
	}
}

// maxRules bounds the rules of one tag header whose populations are looked for, since
// each rule before is tried with each after.
const maxRules = 300

// crossings returns the pairs of choices, before and after, that some request has.
// Whether an earlier rule applies depends on what a request has and never on what it
// lacks, so requests that have no more than both choices need have them, if any do.
//
// It returns false where there are too many rules: then found has those of one name.
func crossings(before, after side) (found [][2]choice, all bool) {
	few, same := len(before.rules) <= maxRules && len(after.rules) <= maxRules, before.decidesAs(after)
	if same || !few {
		found = byName(before, after)
		if few { // rules that never decide are left out
			found = slices.DeleteFunc(found, func(c [2]choice) bool { return !before.everDecides(c[0]) })
		}
		return found, same
	}
	for _, b := range before.choices() {
		if !before.everDecides(b) {
			continue
		}
		var alone request
		before.need(&alone, 0, b)
		first := after.decides(&alone) // later ones need not be tried: it applies
		for _, a := range after.choices() {
			if (a != nobody || b != nobody) && anyCrosses(before, after, b, a) {
				found = append(found, [2]choice{b, a})
			}
			if a == first {
				break
			}
		}
	}
	return found, true
}

// anyCrosses reports whether b decides for any request before, and a after.
func anyCrosses(before, after side, b, a choice) bool {
	for _, m := range before.alternatives(b) {
		for _, n := range after.alternatives(a) {
			var r request
			before.need(&r, 0, b)
			after.need(&r, 1, a)
			r.matches = [2]*rules.Match{m, n}
			if (m == nil || n == nil || !disjoint(m, n)) && before.decides(&r) == b && after.decides(&r) == a {
				return true
			}
		}
	}
	return false
}

// maxAlternatives bounds the hosts, times paths, of a match that are tried one by one.
const maxAlternatives = 16

// alternatives returns what the requests of c meet: the match of its rule for each host
// and path, since a request has one of each; nil: no match.
func (s side) alternatives(c choice) []*rules.Match {
	if c == nobody {
		return []*rules.Match{nil}
	}
	m := &s.all[c.rule].Match
	hosts, paths := len(m.Hosts), len(m.Paths)
	if n := max(1, hosts) * max(1, paths); n == 1 || n > maxAlternatives {
		return []*rules.Match{m}
	}
	var all []*rules.Match
	for i := range max(1, hosts) {
		for j := range max(1, paths) {
			all = append(all, &rules.Match{Hosts: m.Hosts[min(i, hosts):min(i+1, hosts)], Paths: m.Paths[min(j, paths):min(j+1, paths)], Headers: m.Headers})
		}
	}
	return all
}

// everDecides reports whether c decides for any request: no earlier rule always does.
func (s side) everDecides(c choice) bool {
	var alone request
	s.need(&alone, 0, c)
	return s.decides(&alone) == c
}

// decidesAs reports whether the rules of s apply to the same requests as those of o do.
func (s side) decidesAs(o side) bool {
	return slices.EqualFunc(s.rules, o.rules, func(i, j int) bool {
		a, b := &s.all[i], &o.all[j]
		return a.Name == b.Name && slices.Equal(a.Keys, b.Keys) && implies(&a.Match, &b.Match) && implies(&b.Match, &a.Match)
	})
}

// byName returns the pairs of choices by rules of one name and by one key.
func byName(before, after side) (found [][2]choice) {
	type place struct {
		rule string
		key  rules.Key
	}
	places := map[place]choice{}
	for _, a := range after.choices() {
		if a != nobody {
			places[place{after.all[a.rule].Name, after.all[a.rule].Keys[a.key]}] = a
		}
	}
	for _, b := range before.choices() {
		if b == nobody {
			continue
		}
		at := place{before.all[b.rule].Name, before.all[b.rule].Keys[b.key]}
		a, stays := places[at]
		if !stays {
			a = nobody
		}
		found = append(found, [2]choice{b, a})
		delete(places, at)
	}
	for _, a := range after.choices() {
		if a == nobody {
			continue
		}
		if _, isNew := places[place{after.all[a.rule].Name, after.all[a.rule].Keys[a.key]}]; isNew {
			found = append(found, [2]choice{nobody, a})
		}
	}
	return found
}

// implies reports whether every request that meets m meets n, as far as their texts
// show.
func implies(m, n *rules.Match) bool {
	return covered(m.Hosts, n.Hosts, coversHost) && covered(m.Paths, n.Paths, coversPath) &&
		!slices.ContainsFunc(n.Headers, func(h rules.HeaderMatch) bool {
			return !slices.ContainsFunc(m.Headers, func(known rules.HeaderMatch) bool {
				return known == h || known.Name == h.Name && known.Test == rules.HeaderExact && h.Test == rules.HeaderPresent
			})
		})
}

// covered reports whether one of by covers each alternative; no alternatives are any.
func covered[T any](alternatives, by []T, covers func(by, of T) bool) bool {
	if len(by) == 0 || len(alternatives) == 0 {
		return len(by) == 0
	}
	return !slices.ContainsFunc(alternatives, func(of T) bool {
		return !slices.ContainsFunc(by, func(b T) bool { return covers(b, of) })
	})
}

// disjoint reports whether no request meets both matches, as far as their texts show.
func disjoint(m, n *rules.Match) bool {
	return apart(m.Hosts, n.Hosts, coversHost) || apart(m.Paths, n.Paths, coversPath) ||
		slices.ContainsFunc(m.Headers, func(a rules.HeaderMatch) bool {
			return slices.ContainsFunc(n.Headers, func(b rules.HeaderMatch) bool { return contradict(a, b) })
		})
}

// apart reports whether no alternative of a can hold together with one of b: of two that
// can, one covers the other.
func apart[T any](a, b []T, covers func(by, of T) bool) bool {
	for _, x := range a {
		for _, y := range b {
			if covers(x, y) || covers(y, x) {
				return false
			}
		}
	}
	return len(a) > 0 && len(b) > 0
}

// coversHost reports whether every host of one pattern is one of another. A pattern may be
// "*.example.com": every host below example.com.
func coversHost(by, of string) bool {
	suffix, wild := strings.CutPrefix(by, "*")
	return by == of || wild && strings.HasSuffix(of, suffix)
}

// coversPath reports whether every path that meets one meets another.
func coversPath(by, of rules.PathMatch) bool {
	if by.Prefix {
		return by.Path == of.Path || by.Path == "/" || strings.HasPrefix(of.Path, by.Path+"/")
	}
	return by == of
}

func contradict(a, b rules.HeaderMatch) bool {
	if a.Name != b.Name {
		return false
	}
	if a.Test == rules.HeaderExact && b.Test == rules.HeaderExact {
		return a.Exact != b.Exact
	}
	return (a.Test == rules.HeaderAbsent) != (b.Test == rules.HeaderAbsent)
}
