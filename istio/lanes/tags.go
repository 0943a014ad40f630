package lanes

import (
	"slices"
	"strings"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// rulesIn returns the list of rules in d, a rules file or what has one in it.
func rulesIn(d *source.Document) source.Value {
	if d.Kind == "" && isLanesFile(d) {
		return source.Value{}
	}
	return rules.In(d).Get("rules")
}

func hasRules(d *source.Document) bool { return rulesIn(d).Exists() }

// tags says which tags of rules lead to no lane, and which route header no rule writes.
// Other faults of rules are for package rules.
func (r *reader) tags(docs []*source.Document, groups []*Group) {
	written := map[string]bool{}
	first := source.Value{}
	for _, d := range docs {
		list := rulesIn(d)
		for _, rule := range list.Elements() {
			if first.IsZero() {
				first = list
			}
			header := strings.ToLower(rule.Text("tagHeader"))
			written[header] = true
			r.tagsOfRule(rule, header, groups)
		}
	}
	if first.IsZero() {
		return
	}
	for _, g := range groups {
		if g.RouteHeader != "" && !written[g.RouteHeader] && g.Weighted == nil {
			r.warn(first, KindTag, "no rule writes %s, the route header of group %s: no user is tagged for its lanes", g.RouteHeader, g.Name)
		}
	}
}

func (r *reader) tagsOfRule(rule source.Value, header string, groups []*Group) {
	using := slices.DeleteFunc(slices.Clone(groups), func(g *Group) bool { return g.RouteHeader != header })
	if len(using) == 0 {
		return
	}
	for _, key := range []string{"overrides", "policies", "partitions", "partitionedPolicies"} {
		for _, entry := range rule.Get(key).Elements() {
			if !r.Visit(entry) {
				return
			}
			if key == "overrides" {
				r.namedElsewhere(rule, entry, using)
			}
			value := entry.Get("tagValue")
			tag := value.Text()
			if tag == "" || slices.ContainsFunc(using, func(g *Group) bool { return g.Lane(tag) != nil }) {
				continue
			}
			r.warn(value, KindTag, "the tag %s: %s names no lane of group %s, which has %s: its users reach the baseline", header, source.Shorten(tag), using[0].Name, laneNames(using[0]))
		}
	}
}

// namedElsewhere says which users of an override are named in another lane: at the
// gateway their route decides, not the tag.
func (r *reader) namedElsewhere(rule, override source.Value, groups []*Group) {
	if mode := rule.Text("mode"); mode == "shadow" || mode == "off" {
		return // it writes no tag
	}
	tag := override.Text("tagValue")
	given := "no tag"
	if tag != "" {
		given = "the tag " + source.Shorten(tag)
	}
	for _, header := range keyHeaders(rule) {
		for _, g := range groups {
			laneOf := g.named(header)
			for _, value := range override.Get("values").Elements() {
				if !r.Visit(value) {
					return
				}
				user := value.Text()
				if lane, named := laneOf[user]; named && lane != tag {
					r.warn(value, KindNamed, "the rules give %s: %s %s, and group %s puts this user into %s by a route of the gateway, which decides before the tag (explain shows the rules alone); name one lane in both, or remove the user from one",
						header, source.Shorten(user), given, g.Name, lane)
				}
			}
		}
	}
}

// keyHeaders returns the headers that are keys of a rule, in lower case.
func keyHeaders(rule source.Value) (headers []string) {
	for _, k := range append(rule.Get("keys").Elements(), rule) {
		if name := k.Text("header"); name != "" {
			headers = append(headers, strings.ToLower(name))
		}
	}
	return headers
}

// named returns the lanes of users whom rules name by a header, by its value. If a value
// is named several times, the first counts.
func (g *Group) named(header string) map[string]string {
	laneOf := map[string]string{}
	for i := range g.Rules {
		rule := &g.Rules[i]
		if rule.Offline || g.classOf(rule) != namedClass {
			continue
		}
		for _, m := range rule.Matches {
			user := m.Headers[header].GetExact()
			if _, known := laneOf[user]; user != "" && !known {
				laneOf[user] = rule.Lane
			}
		}
	}
	return laneOf
}

func laneNames(g *Group) string {
	var names []string
	for _, l := range g.Lanes {
		names = append(names, l.Name)
	}
	return strings.Join(names, ", ")
}
