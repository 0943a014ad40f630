package lanes

import (
	"slices"
	"strings"

	"github.com/tagproc/tagproc/source"
)

// rulesPath returns where the rules stand in d, a WasmPlugin of the Hash tagging
// plug-in or a rules file, or nil.
func rulesPath(d *source.Document) []any {
	switch {
	case d.Kind == "WasmPlugin" && d.Node("spec", "pluginConfig", "rules") != nil:
		return []any{"spec", "pluginConfig", "rules"}
	case d.Kind == "" && !isLanesFile(d):
		return []any{"rules"}
	}
	return nil
}

func hasRules(d *source.Document) bool { return rulesPath(d) != nil }

// tags says which tags of rules lead to no lane, and which route header no rule
// writes. What rules mean else, and what is wrong with them, others say.
func (r *reader) tags(docs []*source.Document, groups []*Group) {
	written := map[string]bool{}
	first := place{}
	for _, d := range docs {
		path := rulesPath(d)
		for i := 0; path != nil && d.Node(append(path, i)...) != nil; i++ {
			if first.doc == nil {
				first = place{d, path}
			}
			rule := place{d, append(slices.Clone(path), i)}
			header := strings.ToLower(d.Text(rule.at("tagHeader").path...))
			written[header] = true
			r.tagsOfRule(rule, header, groups)
		}
	}
	if first.doc == nil {
		return
	}
	for _, g := range groups {
		if g.RouteHeader != "" && !written[g.RouteHeader] && g.Weighted == nil {
			r.warn(first, KindTag, "no rule writes %s, the route header of group %s: no user is tagged for its lanes", g.RouteHeader, g.Name)
		}
	}
}

func (r *reader) tagsOfRule(rule place, header string, groups []*Group) {
	using := slices.DeleteFunc(slices.Clone(groups), func(g *Group) bool { return g.RouteHeader != header })
	if len(using) == 0 {
		return
	}
	for _, key := range []string{"overrides", "policies"} {
		for i := 0; rule.at(key).at(i).node() != nil; i++ {
			if r.visited++; r.visited > maxNodes {
				return
			}
			if key == "overrides" {
				r.namedElsewhere(rule, rule.at(key).at(i), using)
			}
			value := rule.at(key).at(i).at("tagValue")
			tag := rule.doc.Text(value.path...)
			if tag == "" || slices.ContainsFunc(using, func(g *Group) bool { return g.Lane(tag) != nil }) {
				continue
			}
			r.warn(value, KindTag, "the tag %s: %s names no lane of group %s, which has %s: who has it reaches the baseline", header, source.Shorten(tag), using[0].Name, laneNames(using[0]))
		}
	}
}

// namedElsewhere says which users of an override the lanes have elsewhere: at the
// gateway their route decides, and not the tag.
func (r *reader) namedElsewhere(rule, override place, groups []*Group) {
	if mode := rule.doc.Text(rule.at("mode").path...); mode == "shadow" || mode == "off" {
		return // it writes no tag
	}
	tag := rule.doc.Text(override.at("tagValue").path...)
	given := "no tag"
	if tag != "" {
		given = "the tag " + source.Shorten(tag)
	}
	header := strings.ToLower(rule.doc.Text(rule.at("header").path...))
	for _, g := range groups {
		laneOf := g.named(header)
		for i := 0; override.at("values").at(i).node() != nil; i++ {
			if r.visited++; r.visited > maxNodes {
				return
			}
			value := override.at("values").at(i)
			user := rule.doc.Text(value.path...)
			if lane, named := laneOf[user]; named && lane != tag {
				r.warn(value, KindNamed, "the rules give %s: %s %s, and the lanes of group %s have this user in %s, by a route of the gateway that decides before the tag, unlike what explain says; name one lane in both, or take the user out of one",
					header, source.Shorten(user), given, g.Name, lane)
			}
		}
	}
}

// named returns the lanes of users whom rules name by a header, by its value. Of
// several the first counts.
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
