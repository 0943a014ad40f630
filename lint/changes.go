package lint

import (
	"fmt"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// What routes do to the headers of a request, before the hop behind them chooses its own.

// A change is a header that a route, its virtual host or its route configuration adds or
// removes.
type change struct {
	at      source.Value
	name    string
	value   string
	removes bool
	appends bool // to what the header has
}

// changes returns what a route does to tag headers.
func (m *Model) changes(r route) (cs []change) {
	for _, level := range []interface {
		GetRequestHeadersToAdd() []*corev3.HeaderValueOption
		GetRequestHeadersToRemove() []string
		At(path ...any) source.Value
	}{r.Route, r.host, r.routes} {
		for i, o := range level.GetRequestHeadersToAdd() {
			if name := lower(o.GetHeader().GetKey()); m.owns(name) {
				appends := o.GetAppendAction() == corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD && (o.GetAppend() == nil || o.GetAppend().GetValue()) //nolint:staticcheck // configurations have it
				cs = append(cs, change{at: level.At("request_headers_to_add", i), name: name, value: o.GetHeader().GetValue(), appends: appends})
			}
		}
		for i, name := range level.GetRequestHeadersToRemove() {
			if name = lower(name); m.owns(name) {
				cs = append(cs, change{at: level.At("request_headers_to_remove", i), name: name, removes: true})
			}
		}
	}
	return cs
}

// unroutedSetTag finds a tag that a route sets and no route matches, though routes match
// others of its header.
func unroutedSetTag(m *Model, found found) {
	matches := m.matches()
	rest := map[[2]string]bool{}
	for _, w := range m.written() {
		rest[[2]string{w.header, w.value}] = w.rest
	}
	m.eachRoute(func(r route) {
		for _, c := range m.changes(r) {
			if why := m.unrouted(matches, c.name, c.value); why != "" && !c.removes && !rest[[2]string{c.name, c.value}] {
				found(c.at, why, m.giveRoute(c.name, c.value))
			}
		}
	})
}

// appendedTag finds a route that appends a tag to what the header has.
func appendedTag(m *Model, found found) {
	m.eachRoute(func(r route) {
		for _, c := range m.changes(r) {
			if c.appends {
				found(c.at, fmt.Sprintf("the route appends to the tag that tagproc wrote: later hops see two values of %s, which no exact match takes", c.name),
					m.fix("write append_action: OVERWRITE_IF_EXISTS_OR_ADD", "use set"))
			}
		}
	})
}

// removedTag finds a route that removes a tag which other route configurations match.
func removedTag(m *Model, found found) {
	matched := map[string][]*envoyconf.RouteConfig{}
	m.eachRoute(func(r route) {
		for _, h := range m.tagMatches(r.Route) {
			matched[lower(h.GetName())] = append(matched[lower(h.GetName())], r.routes)
		}
	})
	m.eachRoute(func(r route) {
		for _, c := range m.changes(r) {
			if c.removes && slices.ContainsFunc(matched[c.name], func(o *envoyconf.RouteConfig) bool { return o != r.routes }) {
				found(c.at, fmt.Sprintf("the route removes %s, and later routes match it", c.name), "do not remove it here")
			}
		}
	})
}

// lateNamedUsers finds a route for a named user behind one for a tag, which takes the
// user where a rule gives that tag.
func lateNamedUsers(m *Model, found found) {
	for _, r := range m.routes() {
		key, user := m.namedUser(r)
		request, ok := m.untagged(r)
		if key == "" || !ok {
			continue
		}
		for _, earlier := range r.host.Routes[:r.Index] {
			tags := m.tagMatches(earlier)
			if len(tags) != 1 || envoyconf.Exact(tags[0]) == "" {
				continue
			}
			tagged := &envoyconf.Request{Method: request.Method, Scheme: request.Scheme, Authority: request.Authority, Path: request.Path, Headers: slices.Clone(request.Headers)}
			tagged.Set(key, user)
			tagged.Set(lower(tags[0].GetName()), envoyconf.Exact(tags[0]))
			if _, taken := r.routes.Take(r.host, tagged); taken == earlier {
				found(headerAt(r.Route, key), fmt.Sprintf("the route for %s: %s comes after the one for %s: %s, which takes this user where a rule gives that tag", key, user, lower(tags[0].GetName()), envoyconf.Exact(tags[0])),
					"put named users before tags")
				break
			}
		}
	}
}

// namedUser returns the header and the user that a route is for, or "".
func (m *Model) namedUser(r route) (key, user string) {
	for _, h := range r.GetMatch().GetHeaders() {
		if name := lower(h.GetName()); m.isKey(name) && envoyconf.Exact(h) != "" && !h.GetInvertMatch() {
			return name, envoyconf.Exact(h)
		}
	}
	return "", ""
}

// namedTwice finds users who are named in a rule and at a route that gives them another
// tag. The route decides, and explain says what the rule does.
func namedTwice(m *Model, found found) {
	type user struct{ key, id, header string }
	type tag struct {
		value string
		at    source.Value
	}
	named := map[user]tag{}
	for _, s := range m.Rules {
		for i, r := range s.Table.Rules() {
			for j, o := range r.Overrides {
				for _, k := range r.Keys {
					for _, id := range o.Values {
						u := user{k.Name, id, r.TagHeader}
						if _, known := named[u]; k.Source == rules.KeyHeader && (o.Key == nil || *o.Key == k) && r.Mode == rules.ModeEnforce && !known {
							named[u] = tag{o.TagValue, s.Rule(i, "overrides", j)}
						}
					}
				}
			}
		}
	}
	m.eachRoute(func(r route) {
		key, id := m.namedUser(r)
		for _, c := range m.changes(r) {
			rule, is := named[user{key, id, c.name}]
			if !is || c.removes || rule.value == c.value {
				continue
			}
			says := c.name + ": " + rule.value
			if rule.value == "" {
				says = "no " + c.name
			}
			found(headerAt(r.Route, key), fmt.Sprintf("the rules name %s: %s too (%s) and say %s; this route sets %s, and decides", key, id, m.place(rule.at), says, c.value),
				"name a user in one of the two places")
		}
	})
}
