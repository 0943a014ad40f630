package lint

import (
	"fmt"
	"slices"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/rules"
)

// A written tag is one that a rule may write, at the first place that says so.
type written struct {
	at            place
	header, value string
	enforced      bool // by a rule that writes today
	rest          bool // what is left of the users, whom a default route may serve
}

// written returns the tags of all rules.
func (m *model) written() (ws []written) {
	for _, s := range m.sets() {
		for i, r := range s.table.Rules() {
			values := map[string]bool{}
			add := func(at place, value string, takes, rest bool) {
				if value != "" && !values[value] {
					values[value] = true
					ws = append(ws, written{at, r.TagHeader, value, takes && r.Mode == rules.ModeEnforce, rest})
				}
			}
			for j, o := range r.Overrides {
				add(s.rule(i, "overrides", j, "tagValue"), o.TagValue, true, false)
			}
			taken := uint32(0)
			for j, p := range r.Policies {
				add(s.rule(i, "policies", j, "tagValue"), p.TagValue, p.Range > taken, p.Range == r.Modulo && len(values) > 0)
				taken = max(taken, p.Range)
			}
		}
	}
	return ws
}

// values returns the values that rules give a header, that of the rest last.
func (m *model) values(header string) (values []string) {
	for _, rest := range []bool{false, true} {
		for _, w := range m.written() {
			if w.header == header && w.rest == rest {
				values = append(values, w.value)
			}
		}
	}
	return values
}

// owns reports whether a header is one that only tagproc and routes set.
func (m *model) owns(header string) bool {
	return slices.ContainsFunc(m.sets(), func(s *ruleSet) bool { return s.table.Owned().Contains(header) })
}

// isKey reports whether a header is a key of a rule.
func (m *model) isKey(header string) bool {
	return slices.ContainsFunc(m.sets(), func(s *ruleSet) bool {
		return slices.ContainsFunc(s.table.Keys(), func(k rules.Key) bool { return k.Name == header })
	})
}

// unroutedTag finds a tag of a rule that no route matches. The tag of the rest of
// the users may be left to the default route.
func unroutedTag(m *model, found found) {
	routes := m.headerMatches()
	for _, w := range m.written() {
		if w.enforced && !w.rest {
			m.reportUnrouted(routes, w.at, w.header, w.value, found)
		}
	}
}

// unroutedSetTag finds a tag that a route sets and no route matches.
func unroutedSetTag(m *model, found found) {
	rest := map[string]bool{}
	for _, w := range m.written() {
		if w.rest {
			rest[w.header+" "+w.value] = true
		}
	}
	routes := m.headerMatches()
	for _, o := range m.headerOperations() {
		for _, name := range sortedKeys(o.request.GetSet()) {
			header, value := lower(name), o.request.GetSet()[name]
			if m.owns(header) && !rest[header+" "+value] {
				m.reportUnrouted(routes, o.at.in("set", name), header, value, found)
			}
		}
	}
}

func (m *model) reportUnrouted(routes []headerMatch, at place, header, value string, found found) {
	if m.foreignRoutes {
		return
	}
	var headers, values []string
	for _, r := range routes {
		headers = append(headers, r.header)
		if r.header != header {
			continue
		}
		if matches(r.match, value) {
			return
		}
		values = append(values, r.match.GetExact())
	}
	fix := fmt.Sprintf("give the VirtualService a route with headers: {%s: {exact: %s}}", header, value)
	if len(values) == 0 {
		found(at, fmt.Sprintf("no route matches the header %s, so %q changes nothing%s", header, value, thereIs(header, headers)), fix)
		return
	}
	found(at, fmt.Sprintf("no route matches %s: %s, so these users get the default route%s", header, value, thereIs(value, values)), fix)
}

// misspeltTag finds a route for a value that is nearly one that rules write.
func misspeltTag(m *model, found found) {
	m.eachUnwritten(func(h headerMatch, near string) {
		if near != "" {
			found(h.at, fmt.Sprintf("no rule writes %s: %s, so this route is never taken; did you mean %q?", h.header, h.match.GetExact(), near),
				"write it as the rules have it: case counts")
		}
	})
}

// unwrittenTag finds a route for a value that no rule writes.
func unwrittenTag(m *model, found found) {
	m.eachUnwritten(func(h headerMatch, near string) {
		if near == "" {
			found(h.at, fmt.Sprintf("no rule writes %s: %s, so this route is never taken", h.header, h.match.GetExact()),
				"take the route away, or give a rule the tag")
		}
	})
}

// eachUnwritten calls f for each route for a value of an owned header that nobody
// writes, with the written value that was meant, where there is one without a
// route.
func (m *model) eachUnwritten(f func(h headerMatch, near string)) {
	for _, h := range m.headerMatches() {
		value := h.match.GetExact()
		if value == "" || !m.owns(h.header) {
			continue
		}
		writable := m.values(h.header)
		for _, o := range m.headerOperations() {
			for _, name := range sortedKeys(o.request.GetSet()) {
				if lower(name) == h.header {
					writable = append(writable, o.request.GetSet()[name])
				}
			}
		}
		if slices.Contains(writable, value) {
			continue
		}
		unrouted := slices.DeleteFunc(writable, func(w string) bool {
			return slices.ContainsFunc(h.vs.headerMatches(), func(o headerMatch) bool { return o.header == h.header && matches(o.match, w) })
		})
		f(h, nearest(value, unrouted))
	}
}

// misspeltHeader finds a route that matches a header which is nearly a tag header.
func misspeltHeader(m *model, found found) {
	var tagHeaders []string
	for _, s := range m.sets() {
		tagHeaders = append(tagHeaders, s.table.TagHeaders()...)
	}
	for _, h := range m.headerMatches() {
		if m.owns(h.header) || m.isKey(h.header) {
			continue
		}
		if near := nearest(h.header, tagHeaders); near != "" {
			found(h.at, fmt.Sprintf("no rule writes the header %s, so this route is never taken; did you mean %q?", h.header, near),
				"write it as the tagHeader of the rule")
		}
	}
}

// halfRoutedTag finds a VirtualService that knows nothing of a tag by which another
// one, of the gateway or of the mesh, chooses the subset of the same host.
func halfRoutedTag(m *model, found found) {
	for _, h := range m.headerMatches() {
		if !m.owns(h.header) {
			continue
		}
		for _, d := range h.vs.destinations() {
			if d.route != h.route || d.subset == "" {
				continue
			}
			for _, other := range m.virtual {
				if other == h.vs || other.leadsTo(d.host, d.subset) || h.vs.atGateway() == other.atGateway() && h.vs.inMesh() == other.inMesh() {
					continue
				}
				for _, o := range other.destinations() {
					if o.host == d.host {
						found(o.at, fmt.Sprintf("%s sends %s: %s to subset %s of %s; this route to the same host does not, and a request that comes this way never gets there",
							id(h.vs.doc), h.header, matchText(h.match), d.subset, d.host),
							"match the tag here too, before this route")
						break
					}
				}
			}
		}
	}
}

// leadsTo reports whether a route leads to a subset of a host.
func (v *virtualService) leadsTo(host, subset string) bool {
	return slices.ContainsFunc(v.destinations(), func(d destination) bool { return d.host == host && d.subset == subset })
}

// matchText returns what a header has to be, for a message.
func matchText(m *networking.StringMatch) string {
	if m.GetExact() != "" {
		return m.GetExact()
	}
	return m.GetPrefix() + m.GetRegex() + "…"
}
