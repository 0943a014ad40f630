package lint

import (
	"fmt"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/source"
)

// A route is a route of an Envoy's configuration, and what is around it.
type route struct {
	*envoyconf.Route

	host   *envoyconf.VirtualHost
	routes *envoyconf.RouteConfig
	envoy  *Envoy
}

// eachRoute calls f for each route of each Envoy.
func (m *Model) eachRoute(f func(r route)) {
	seen := map[*envoyconf.RouteConfig]bool{}
	for _, e := range m.Envoys {
		for _, l := range e.Listeners {
			for _, c := range l.Chains {
				if c.HTTP == nil || c.HTTP.Routes == nil || seen[c.HTTP.Routes] {
					continue
				}
				seen[c.HTTP.Routes] = true
				for _, h := range c.HTTP.Routes.Hosts {
					for _, r := range h.Routes {
						f(route{r, h, c.HTTP.Routes, e})
					}
				}
			}
		}
	}
}

// routes returns the routes of virtual hosts with a route that matches a tag header: other
// virtual hosts are of no concern.
func (m *Model) routes() (all []route) {
	concerns := map[*envoyconf.VirtualHost]bool{}
	m.eachRoute(func(r route) {
		concerned, known := concerns[r.host]
		if !known {
			concerned = slices.ContainsFunc(r.host.Routes, func(r *envoyconf.Route) bool { return len(m.tagConditions(r)) > 0 })
			concerns[r.host] = concerned
		}
		if concerned {
			all = append(all, r)
		}
	})
	return all
}

// tagConditions returns the conditions of a route on tag headers, those that refuse a tag
// included.
func (m *Model) tagConditions(r *envoyconf.Route) (ms []*routev3.HeaderMatcher) {
	for _, h := range r.GetMatch().GetHeaders() {
		if m.owns(lower(h.GetName())) && (h.GetInvertMatch() || envoyconf.Takes(h, "\x00") != envoyconf.Yes) {
			ms = append(ms, h)
		}
	}
	return ms
}

// tagMatches returns the conditions of a route that ask for a tag.
func (m *Model) tagMatches(r *envoyconf.Route) []*routev3.HeaderMatcher {
	return slices.DeleteFunc(m.tagConditions(r), (*routev3.HeaderMatcher).GetInvertMatch)
}

// headerAt returns the place of the condition of a route on a header.
func headerAt(r *envoyconf.Route, name string) source.Value {
	for _, h := range r.At("match", "headers").Elements() {
		if lower(h.Text("name")) == name {
			return h
		}
	}
	return r.Value
}

// matches returns the conditions of routes on each tag header.
func (m *Model) matches() map[string][]*routev3.HeaderMatcher {
	byHeader := map[string][]*routev3.HeaderMatcher{}
	for _, r := range m.routes() {
		for _, h := range m.tagConditions(r.Route) {
			byHeader[lower(h.GetName())] = append(byHeader[lower(h.GetName())], h)
		}
	}
	return byHeader
}

// unrouted says why a tag changes nothing, or "". A header that no route matches may be for
// hops behind, unless the Envoys are complete; and there may be routes that are not known.
func (m *Model) unrouted(byHeader map[string][]*routev3.HeaderMatcher, header, value string) string {
	matches := byHeader[header]
	takes := func(h *routev3.HeaderMatcher) bool { // or keeps out, and a route behind takes it
		return h.GetInvertMatch() && envoyconf.Takes(h, value) != envoyconf.Yes || !h.GetInvertMatch() && envoyconf.Takes(h, value) != envoyconf.No
	}
	switch {
	case slices.ContainsFunc(m.Envoys, func(e *Envoy) bool { return e.Open }), slices.ContainsFunc(matches, takes):
		return ""
	case len(matches) > 0:
		var values []string
		for _, h := range matches {
			values = append(values, envoyconf.Exact(h))
		}
		return fmt.Sprintf("no route of Envoy matches %s: %s, so these users get the default route%s", header, value, thereIs(value, values))
	case m.Complete:
		return fmt.Sprintf("no route matches the header %s, so %q changes nothing", header, value)
	}
	return ""
}

// giveRoute returns how to have a tag routed.
func (m *Model) giveRoute(header, value string) string {
	return m.fix(fmt.Sprintf("give the virtual host a route with headers: [{name: %s, string_match: {exact: %s}}]", header, value),
		fmt.Sprintf("give the VirtualService a route with headers: {%s: {exact: %s}}", header, value))
}

// unroutedTag finds a tag of a rule that no route matches. The tag of the rest of the users
// may be left to the default route.
func unroutedTag(m *Model, found found) {
	matches := m.matches()
	told := map[[2]string]bool{}
	for _, w := range m.written() {
		key := [2]string{w.header, w.value}
		if !w.enforced || w.rest || told[key] {
			continue
		}
		told[key] = true
		if why := m.unrouted(matches, w.header, w.value); why != "" {
			found(w.at, why, m.giveRoute(w.header, w.value))
		}
	}
}

// misspeltHeader finds a route that matches a header which is nearly a tag header.
func misspeltHeader(m *Model, found found) {
	tagHeaders := m.tagHeaders()
	m.eachRoute(func(r route) {
		for _, h := range r.GetMatch().GetHeaders() {
			name := lower(h.GetName())
			if m.owns(name) || m.isKey(name) {
				continue
			}
			if near := source.Nearest(name, tagHeaders); near != "" {
				found(headerAt(r.Route, name), fmt.Sprintf("no rule writes the header %s, so this route is never taken%s", name, source.DidYouMean(near)), "write it as the tagHeader of the rule")
			}
		}
	})
}

// eachUnwritten calls f for each route for a value of a tag header that nobody
// writes, with the written value that was probably meant.
func (m *Model) eachUnwritten(f func(at source.Value, header, value, near string)) {
	written := map[string][]string{}
	for _, w := range m.written() {
		written[w.header] = append(written[w.header], w.value)
	}
	routes := m.routes()
	for _, r := range routes {
		for _, o := range r.GetRequestHeadersToAdd() {
			name := lower(o.GetHeader().GetKey())
			written[name] = append(written[name], o.GetHeader().GetValue())
		}
	}
	for _, r := range routes {
		for _, h := range m.tagMatches(r.Route) {
			name, value := lower(h.GetName()), envoyconf.Exact(h)
			if value != "" && len(written[name]) > 0 && !slices.Contains(written[name], value) {
				f(headerAt(r.Route, name), name, value, source.Nearest(value, written[name]))
			}
		}
	}
}

// misspeltTag finds a route for a misspelt value.
func misspeltTag(m *Model, found found) {
	m.eachUnwritten(func(at source.Value, header, value, near string) {
		if near != "" {
			found(at, fmt.Sprintf("no rule writes %s: %s, so this route is never taken%s", header, value, source.DidYouMean(near)), "write it as the rules do: case matters")
		}
	})
}

// unwrittenTag finds a route for a value that no rule writes.
func unwrittenTag(m *Model, found found) {
	m.eachUnwritten(func(at source.Value, header, value, near string) {
		if near == "" {
			found(at, fmt.Sprintf("no rule writes %s: %s, so this route is never taken", header, value), "remove the route, or add the tag to a rule")
		}
	})
}

// unreachableRoute finds a route by a tag behind one that takes all of its requests.
func unreachableRoute(m *Model, found found) {
	for _, r := range m.routes() {
		if len(m.tagMatches(r.Route)) == 0 {
			continue
		}
		for _, earlier := range r.host.Routes[:r.Index] {
			if earlier.Covers(r.Route) && !(proto.Equal(earlier.GetMatch(), r.GetMatch()) && m.place(earlier.Value) == m.place(r.Value)) { // one that a control plane writes twice
				found(r.Value, fmt.Sprintf("this route is never reached: the one at %s takes all of its requests", m.place(earlier.Value)), "put routes by tags before it")
				break
			}
		}
	}
}

// noDefaultRoute finds a route by a tag beside which requests without the tag get 404.
func noDefaultRoute(m *Model, found found) {
	told := map[*envoyconf.VirtualHost]bool{}
	for _, r := range m.routes() {
		if len(m.tagMatches(r.Route)) == 0 || told[r.host] || r.host.GetMatcher() != nil || r.host.Doubt != "" {
			continue
		}
		request, ok := m.untagged(r)
		if ok && !m.taken(r, request, request.Path) && !slices.ContainsFunc(r.host.Routes, func(other *envoyconf.Route) bool { return m.taken(r, request, pathOf(other)) }) {
			told[r.host] = true
			found(r.Value, fmt.Sprintf("virtual host %s has no route for requests without the tag: they get 404", r.host.GetName()), m.fix("end its routes with one without headers, to the baseline", "end the VirtualService with a route without match, to the baseline"))
		}
	}
}

// taken reports whether a request without the tag of r may have a route, for a path that r
// takes with it.
func (m *Model) taken(r route, request *envoyconf.Request, path string) bool {
	if path == "" || !r.takesPath(path) {
		return false
	}
	asked := *request
	asked.Path = path
	tried, taken := r.routes.Take(r.host, &asked)
	if taken == nil {
		return slices.ContainsFunc(tried, func(t envoyconf.Tried) bool { return t.Answer == envoyconf.Maybe })
	}
	// Below its path, the canary may have what the baseline of the same Service has not. It
	// does not get what an earlier route takes.
	return path == request.Path || sameHost(r.Route, taken) && (taken.Index > r.Index || len(m.tagConditions(taken)) > 0)
}

// takesPath reports whether the route is for a path.
func (r route) takesPath(path string) bool {
	match := r.GetMatch()
	switch below := match.GetPathSeparatedPrefix(); {
	case match.GetPath() != "":
		return path == match.GetPath()
	case below != "":
		return path == below || strings.HasPrefix(path, below+"/")
	}
	return strings.HasPrefix(path, match.GetPrefix())
}

// pathOf returns a path that a route is for, or "".
func pathOf(r *envoyconf.Route) string {
	return r.GetMatch().GetPrefix() + r.GetMatch().GetPath() + r.GetMatch().GetPathSeparatedPrefix()
}

// untagged returns a request that a route would take if it had the tag. It is not ok where
// there is no telling what such a request is.
func (m *Model) untagged(r route) (request *envoyconf.Request, ok bool) {
	match := r.GetMatch()
	path := pathOf(r.Route)
	if path == "" || len(match.GetQueryParameters()) > 0 || match.GetGrpc() != nil {
		return nil, false
	}
	request = &envoyconf.Request{Method: "GET", Scheme: "http", Path: path}
	for _, d := range r.host.GetDomains() {
		request.Authority = d
	}
	for _, h := range match.GetHeaders() {
		if m.owns(lower(h.GetName())) || m.isKey(lower(h.GetName())) {
			continue
		}
		if envoyconf.Exact(h) == "" || h.GetInvertMatch() {
			return nil, false
		}
		request.Headers = append(request.Headers, envoyconf.Header{Name: lower(h.GetName()), Value: envoyconf.Exact(h)})
	}
	return request, true
}

// randomVersion finds weights beside routes by tags.
func randomVersion(m *Model, found found) {
	for _, r := range m.routes() {
		weighted := 0
		for _, c := range r.GetRoute().GetWeightedClusters().GetClusters() {
			if c.GetWeight().GetValue() > 0 {
				weighted++
			}
		}
		if weighted > 1 && !r.GetRoute().GetWeightedClusters().GetUseHashPolicy().GetValue() {
			found(r.At("route", "weighted_clusters"), "weights choose again for each request: a user sees one version and then the other", "give each route one cluster, and put the ratio into a rule")
		}
	}
}

// missingCluster finds a route to a cluster that is not there.
func missingCluster(m *Model, found found) {
	for _, r := range m.routes() {
		if !r.envoy.AllClusters || r.GetRoute().GetClusterHeader() != "" {
			continue
		}
		for _, c := range r.Target(&envoyconf.Request{}).Clusters {
			if r.envoy.Cluster(c.Cluster) != nil {
				continue
			}
			var names []string
			for _, known := range r.envoy.Clusters {
				names = append(names, known.GetName())
			}
			found(c.At, fmt.Sprintf("there is no cluster %q%s: requests get 503, or Envoy refuses the configuration", c.Cluster, DidYouMean(c.Cluster, names)), m.fix("add it to static_resources.clusters", "name a host, a port and a subset that are there"))
		}
	}
}
