package lint

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// A headerOperation is what a route does to the request's headers.
type headerOperation struct {
	at      place
	vs      *virtualService
	request *networking.Headers_HeaderOperations
}

func lower(name string) string { return strings.ToLower(name) }

func (m *model) headerOperations() (os []headerOperation) {
	for _, v := range m.virtual {
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
	}
	return os
}

// appendedTag finds a route that appends a tag to what the header has.
func appendedTag(m *model, found found) {
	for _, o := range m.headerOperations() {
		for _, name := range sortedKeys(o.request.GetAdd()) {
			if m.owns(lower(name)) {
				found(o.at.in("add", name), fmt.Sprintf("add appends to the tag that tagproc wrote: the hops behind see two values of %s, which no exact match takes", lower(name)),
					"use set")
			}
		}
	}
}

// removedTag finds a route of the gateway that takes a tag away which routes behind
// it match.
func removedTag(m *model, found found) {
	for _, o := range m.headerOperations() {
		for i, name := range o.request.GetRemove() {
			name = lower(name)
			behind := slices.ContainsFunc(m.headerMatches(), func(h headerMatch) bool { return h.header == name && h.vs != o.vs && h.vs.inMesh() })
			if m.owns(name) && behind && o.vs.atGateway() {
				found(o.at.in("remove", i), fmt.Sprintf("the gateway takes %s away, and routes behind it match it", name), "do not remove it here")
			}
		}
	}
}

// lateNamedUsers finds a route for named users behind one for a tag, which takes
// them where a rule tags them.
func lateNamedUsers(m *model, found found) {
	for _, v := range m.virtual {
		matched := v.headerMatches()
		for _, named := range matched {
			if !m.isKey(named.header) || named.match.GetExact() == "" {
				continue
			}
			i := slices.IndexFunc(matched, func(h headerMatch) bool { return m.owns(h.header) && h.route < named.route })
			if i >= 0 {
				found(named.at, fmt.Sprintf("the route for %s: %s stands behind the one for %s: %s, which takes this user where a rule gives that tag",
					named.header, named.match.GetExact(), matched[i].header, matchText(matched[i].match)),
					"put named users before tags")
			}
		}
	}
}
