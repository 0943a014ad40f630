package lanes

import (
	"slices"
	"strings"

	"github.com/tagproc/tagproc/istio/manifest"
)

// rulesPath returns where the rules stand in d, a WasmPlugin of the Hash tagging
// plug-in or a rules file, or nil.
func rulesPath(d *manifest.Document) []any {
	switch {
	case d.Kind == "WasmPlugin" && d.Node("spec", "pluginConfig", "rules") != nil:
		return []any{"spec", "pluginConfig", "rules"}
	case d.Kind == "" && !isLanesFile(d):
		return []any{"rules"}
	}
	return nil
}

func hasRules(d *manifest.Document) bool { return rulesPath(d) != nil }

// tags says which tags of rules lead to no lane, and which route header no rule
// writes. What rules mean else, and what is wrong with them, others say.
func (r *reader) tags(docs []*manifest.Document, groups []*Group) {
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
			value := rule.at(key).at(i).at("tagValue")
			tag := rule.doc.Text(value.path...)
			if tag == "" || slices.ContainsFunc(using, func(g *Group) bool { return g.Lane(tag) != nil }) {
				continue
			}
			r.warn(value, KindTag, "the tag %s: %s names no lane of group %s, which has %s: who has it reaches the baseline", header, shorten(tag), using[0].Name, laneNames(using[0]))
		}
	}
}

func laneNames(g *Group) string {
	var names []string
	for _, l := range g.Lanes {
		names = append(names, l.Name)
	}
	return strings.Join(names, ", ")
}
