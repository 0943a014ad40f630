package lint

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/rules"
)

// A headerOperation is what a route does to the request's headers.
type headerOperation struct {
	at      place
	vs      *virtualService
	request *networking.Headers_HeaderOperations
}

func lower(name string) string { return strings.ToLower(name) }

func (v *virtualService) readHeaderOperations() (os []headerOperation) {
	for i, r := range v.GetHttp() {
		if o := r.GetHeaders().GetRequest(); o != nil {
			os = append(os, headerOperation{v.route(i, "headers", "request"), v, o})
		}
		for j, d := range r.GetRoute() {
			if o := d.GetHeaders().GetRequest(); o != nil {
				os = append(os, headerOperation{v.route(i, "route", j, "headers", "request"), v, o})
			}
		}
	}
	return os
}

func (m *model) headerOperations() (os []headerOperation) {
	for _, v := range m.virtual {
		os = append(os, v.changes...)
	}
	return os
}

// appendedTag finds a route that appends a tag to what the header has.
func appendedTag(m *model, found found) {
	for _, o := range m.headerOperations() {
		for _, name := range sortedKeys(o.request.GetAdd()) {
			if m.owns(lower(name)) {
				found(o.at.in("add", name), fmt.Sprintf("add appends to the tag that tagproc wrote: later hops see two values of %s, which no exact match takes", lower(name)),
					"use set")
			}
		}
	}
}

// removedTag finds a route of the gateway that removes a tag, although routes behind it
// match that tag.
func removedTag(m *model, found found) {
	matched := m.headerMatches()
	for _, o := range m.headerOperations() {
		for i, name := range o.request.GetRemove() {
			name = lower(name)
			if !m.owns(name) || !o.vs.atGateway() {
				continue
			}
			if slices.ContainsFunc(matched, func(h headerMatch) bool { return h.header == name && h.vs != o.vs && h.vs.inMesh() }) {
				found(o.at.in("remove", i), fmt.Sprintf("the gateway removes %s, and later routes match it", name), "do not remove it here")
			}
		}
	}
}

// lateNamedUsers finds a route for named users behind one for a tag, which takes
// them where a rule tags them.
func lateNamedUsers(m *model, found found) {
	for _, v := range m.virtual {
		first := slices.IndexFunc(v.matched, func(h headerMatch) bool { return m.owns(h.header) })
		if first < 0 {
			continue
		}
		tag := v.matched[first]
		for _, named := range v.matched[first:] {
			if m.isKey(named.header) && named.match.GetExact() != "" && tag.route < named.route {
				found(named.at, fmt.Sprintf("the route for %s: %s comes after the one for %s: %s, which takes this user where a rule gives that tag",
					named.header, named.match.GetExact(), tag.header, matchText(tag.match)),
					"put named users before tags")
			}
		}
	}
}

// namedTwice finds users who are named in a rule and at a route that gives them
// another tag. The route decides, and explain says what the rule does.
func namedTwice(m *model, found found) {
	type user struct{ key, id, header string }
	type tag struct {
		value string
		at    place
	}
	named := map[user]tag{}
	for _, s := range m.sets() {
		for i, r := range s.table.Rules() {
			for j, o := range r.Overrides {
				for _, k := range r.Keys {
					for _, id := range o.Values {
						if u := (user{k.Name, id, r.TagHeader}); k.Source == rules.KeyHeader && (o.Key == nil || *o.Key == k) && r.Mode == rules.ModeEnforce && named[u].at.doc == nil {
							named[u] = tag{o.TagValue, s.rule(i, "overrides", j)}
						}
					}
				}
			}
		}
	}
	if len(named) == 0 {
		return
	}
	for _, v := range m.virtual {
		set := map[int]map[string]string{} // by route, the tags that it sets
		for i, r := range v.GetHttp() {
			set[i] = map[string]string{}
			for name, value := range r.GetHeaders().GetRequest().GetSet() {
				set[i][lower(name)] = value
			}
		}
		for _, h := range v.matched {
			for _, header := range sortedKeys(set[h.route]) {
				value := set[h.route][header]
				rule, is := named[user{h.header, h.match.GetExact(), header}]
				if !is || rule.value == value || h.match.GetExact() == "" {
					continue
				}
				says := header + ": " + rule.value
				if rule.value == "" {
					says = "no " + header
				}
				found(h.at, fmt.Sprintf("the rules name %s: %s too (%s) and say %s; this route sets %s, and decides", h.header, h.match.GetExact(), rule.at, says, value),
					"name a user in one of the two places")
			}
		}
	}
}
