package lint

import (
	"fmt"
	"slices"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
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
				add(s.rule(i, "policies", j, "tagValue"), p.TagValue, p.Range > taken || p.Ramp != nil, p.Range == r.Modulo && len(values) > 0)
				if p.From <= taken {
					taken = max(taken, p.Range)
				}
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
	return slices.ContainsFunc(m.index.owned, func(o rules.Owned) bool { return o.Contains(header) })
}

// isKey reports whether a header is a key of a rule.
func (m *model) isKey(header string) bool {
	return m.index.keys[header]
}

// unroutedTag finds a tag of a rule that no route matches. The tag of the rest of
// the users may be left to the default route.
func unroutedTag(m *model, found found) {
	report := m.reportUnrouted(found)
	for _, w := range m.written() {
		if w.enforced && !w.rest {
			report(w.at, w.header, w.value)
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
	report := m.reportUnrouted(found)
	for _, o := range m.headerOperations() {
		for _, name := range sortedKeys(o.request.GetSet()) {
			header, value := lower(name), o.request.GetSet()[name]
			if m.owns(header) && !rest[header+" "+value] {
				report(o.at.in("set", name), header, value)
			}
		}
	}
}

// reportUnrouted returns a function that reports a tag if no route matches it. Many places
// may set the same tag: each tag is looked for once.
func (m *model) reportUnrouted(found found) func(at place, header, value string) {
	var headers []string
	byHeader := map[string][]headerMatch{} // each match once
	told := map[[2]string]bool{}
	for _, h := range m.headerMatches() {
		if byHeader[h.header] == nil {
			headers = append(headers, h.header)
		}
		if key := [2]string{h.header, h.match.String()}; !told[key] {
			told[key] = true
			byHeader[h.header] = append(byHeader[h.header], h)
		}
	}
	reason := func(header, value string) string {
		var values []string
		for _, r := range byHeader[header] {
			if r.takes(value) {
				return ""
			}
			values = append(values, r.match.GetExact())
		}
		if len(values) == 0 {
			return fmt.Sprintf("no route matches the header %s, so %q changes nothing%s", header, value, thereIs(header, headers))
		}
		return fmt.Sprintf("no route matches %s: %s, so these users get the default route%s", header, value, thereIs(value, values))
	}
	reasons := map[[2]string]string{}
	return func(at place, header, value string) {
		if m.foreignRoutes {
			return
		}
		key := [2]string{header, value}
		why, known := reasons[key]
		if !known {
			why = reason(header, value)
			reasons[key] = why
		}
		if why != "" {
			found(at, why, fmt.Sprintf("give the VirtualService a route with headers: {%s: {exact: %s}}", header, value))
		}
	}
}

// misspeltTag finds a route for a misspelt value.
func misspeltTag(m *model, found found) {
	m.eachUnwritten(func(h headerMatch, near string) {
		if near != "" {
			found(h.at, fmt.Sprintf("no rule writes %s: %s, so this route is never taken%s", h.header, h.match.GetExact(), source.DidYouMean(near)),
				"write it as the rules do: case matters")
		}
	})
}

// unwrittenTag finds a route for a value that no rule writes.
func unwrittenTag(m *model, found found) {
	m.eachUnwritten(func(h headerMatch, near string) {
		if near == "" {
			found(h.at, fmt.Sprintf("no rule writes %s: %s, so this route is never taken", h.header, h.match.GetExact()),
				"remove the route, or add the tag to a rule")
		}
	})
}

// eachUnwritten calls f for each route for a value of an owned header that nobody
// writes, with the written value that was meant, where there is one without a
// route.
func (m *model) eachUnwritten(f func(h headerMatch, near string)) {
	written := map[string][]string{} // by header, the values that somebody writes
	for _, w := range m.written() {
		if written[w.header] == nil {
			written[w.header] = m.values(w.header)
		}
	}
	for _, o := range m.headerOperations() {
		for _, name := range sortedKeys(o.request.GetSet()) {
			if value := o.request.GetSet()[name]; !slices.Contains(written[lower(name)], value) {
				written[lower(name)] = append(written[lower(name)], value)
			}
		}
	}
	for _, v := range m.virtual {
		unrouted := map[string][]string{} // by header, the values that v has no route for
		for header, values := range written {
			unrouted[header] = slices.DeleteFunc(slices.Clone(values), func(value string) bool {
				return slices.ContainsFunc(v.matched, func(h headerMatch) bool { return h.header == header && h.takes(value) })
			})
		}
		for _, h := range v.matched {
			if value := h.match.GetExact(); value != "" && m.owns(h.header) && !slices.Contains(written[h.header], value) {
				f(h, source.Nearest(value, unrouted[h.header]))
			}
		}
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
		if near := source.Nearest(h.header, tagHeaders); near != "" {
			found(h.at, fmt.Sprintf("no rule writes the header %s, so this route is never taken%s", h.header, source.DidYouMean(near)),
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
		for _, d := range h.vs.leadsFrom(h.route) {
			if d.subset == "" {
				continue
			}
			for _, other := range m.index.leading[d.host] {
				if other == h.vs || other.leadsTo(d.host, d.subset) || h.vs.atGateway() == other.atGateway() && h.vs.inMesh() == other.inMesh() {
					continue
				}
				for _, o := range other.leads {
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

// leadsFrom returns where the route of index i leads.
func (v *virtualService) leadsFrom(i int) []destination {
	first, _ := slices.BinarySearchFunc(v.leads, i, func(d destination, i int) int { return d.route - i })
	behind, _ := slices.BinarySearchFunc(v.leads, i+1, func(d destination, i int) int { return d.route - i })
	return v.leads[first:behind]
}

// leadsTo reports whether a route leads to a subset of a host.
func (v *virtualService) leadsTo(host, subset string) bool { return v.reached[host+" "+subset] }

// matchText returns what a header has to be, for a message.
func matchText(m *networking.StringMatch) string {
	if m.GetExact() != "" {
		return m.GetExact()
	}
	return m.GetPrefix() + m.GetRegex() + "…"
}
