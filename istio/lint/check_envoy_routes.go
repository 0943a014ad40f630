package lint

import (
	"fmt"
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/source"
)

// An envoyRoute is a route of an Envoy's configuration, and what is around it.
type envoyRoute struct {
	*envoyconf.Route

	host   *envoyconf.VirtualHost
	routes *envoyconf.RouteConfig
	envoy  *envoy
}

// envoyRoutes returns the routes of virtual hosts with a route that matches or sets a tag
// header: other virtual hosts are of no concern.
func (m *model) envoyRoutes() (all []envoyRoute) {
	seen := map[*envoyconf.RouteConfig]bool{}
	for _, e := range m.envoys {
		for _, l := range e.Listeners {
			for _, c := range l.Chains {
				if c.HTTP == nil || c.HTTP.Routes == nil || seen[c.HTTP.Routes] {
					continue
				}
				seen[c.HTTP.Routes] = true
				for _, h := range c.HTTP.Routes.Hosts {
					if !slices.ContainsFunc(h.Routes, func(r *envoyconf.Route) bool { return len(m.tagMatches(r)) > 0 }) {
						continue
					}
					for _, r := range h.Routes {
						all = append(all, envoyRoute{r, h, c.HTTP.Routes, e})
					}
				}
			}
		}
	}
	return all
}

// tagMatches returns the conditions of a route that ask for a tag.
func (m *model) tagMatches(r *envoyconf.Route) (ms []*routev3.HeaderMatcher) {
	for _, h := range r.GetMatch().GetHeaders() {
		if m.owns(lower(h.GetName())) && !h.GetInvertMatch() && envoyconf.Takes(h, "\x00") != envoyconf.Yes {
			ms = append(ms, h)
		}
	}
	return ms
}

// exactOf returns the text that a header has to be, or "".
func exactOf(h *routev3.HeaderMatcher) string {
	if e := h.GetStringMatch().GetExact(); e != "" {
		return e
	}
	return h.GetExactMatch() //nolint:staticcheck // configurations have it
}

// headerAt returns the place of the condition of a route on a header.
func headerAt(r *envoyconf.Route, name string) place {
	for _, h := range r.At("match", "headers").Elements() {
		if lower(h.Text("name")) == name {
			return wholeOf(h)
		}
	}
	return wholeOf(r.Value)
}

// envoyUnroutedTag finds a tag of a rule that no route of Envoy matches, where others of
// its header are matched: a header that no route matches is for hops behind.
func envoyUnroutedTag(m *model, found found) {
	if slices.ContainsFunc(m.envoys, func(e *envoy) bool { return e.open }) {
		return
	}
	byHeader := map[string][]*routev3.HeaderMatcher{}
	for _, r := range m.envoyRoutes() {
		for _, h := range m.tagMatches(r.Route) {
			byHeader[lower(h.GetName())] = append(byHeader[lower(h.GetName())], h)
		}
	}
	told := map[[2]string]bool{}
	for _, w := range m.written() {
		matches, key := byHeader[w.header], [2]string{w.header, w.value}
		takes := func(h *routev3.HeaderMatcher) bool { return envoyconf.Takes(h, w.value) != envoyconf.No }
		if !w.enforced || w.rest || told[key] || len(matches) == 0 || slices.ContainsFunc(matches, takes) {
			continue
		}
		told[key] = true
		var values []string
		for _, h := range matches {
			values = append(values, exactOf(h))
		}
		found(w.at, fmt.Sprintf("no route of Envoy matches %s: %s, so these users get the default route%s", w.header, w.value, thereIs(w.value, values)),
			fmt.Sprintf("give the virtual host a route with headers: [{name: %s, string_match: {exact: %s}}]", w.header, w.value))
	}
}

// eachEnvoyUnwritten calls f for each route for a value of a tag header that nobody
// writes, with the written value that was probably meant.
func (m *model) eachEnvoyUnwritten(f func(at place, header, value, near string)) {
	written := map[string][]string{}
	for _, w := range m.written() {
		written[w.header] = append(written[w.header], w.value)
	}
	routes := m.envoyRoutes()
	for _, r := range routes {
		for _, o := range r.GetRequestHeadersToAdd() {
			name := lower(o.GetHeader().GetKey())
			written[name] = append(written[name], o.GetHeader().GetValue())
		}
	}
	for _, r := range routes {
		for _, h := range m.tagMatches(r.Route) {
			name, value := lower(h.GetName()), exactOf(h)
			if value != "" && len(written[name]) > 0 && !slices.Contains(written[name], value) {
				f(headerAt(r.Route, name), name, value, source.Nearest(value, written[name]))
			}
		}
	}
}

// envoyMisspeltTag finds a route for a misspelt value.
func envoyMisspeltTag(m *model, found found) {
	m.eachEnvoyUnwritten(func(at place, header, value, near string) {
		if near != "" {
			found(at, fmt.Sprintf("no rule writes %s: %s, so this route is never taken%s", header, value, source.DidYouMean(near)), "write it as the rules do: case matters")
		}
	})
}

// envoyUnwrittenTag finds a route for a value that no rule writes.
func envoyUnwrittenTag(m *model, found found) {
	m.eachEnvoyUnwritten(func(at place, header, value, near string) {
		if near == "" {
			found(at, fmt.Sprintf("no rule writes %s: %s, so this route is never taken", header, value), "remove the route, or add the tag to a rule")
		}
	})
}

// envoyUnreachableRoute finds a route by a tag behind one that takes all of its requests.
func envoyUnreachableRoute(m *model, found found) {
	for _, r := range m.envoyRoutes() {
		if len(m.tagMatches(r.Route)) == 0 {
			continue
		}
		for _, earlier := range r.host.Routes[:r.Index] {
			if earlier.Covers(r.Route) {
				found(wholeOf(r.Value), fmt.Sprintf("this route is never reached: the one at %s takes all of its requests", wholeOf(earlier.Value)), "put routes by tags before it")
				break
			}
		}
	}
}

// envoyNoDefaultRoute finds a route by a tag beside which requests without the tag get
// 404.
func envoyNoDefaultRoute(m *model, found found) {
	told := map[*envoyconf.VirtualHost]bool{}
	for _, r := range m.envoyRoutes() {
		request, ok := m.untagged(r)
		if len(m.tagMatches(r.Route)) == 0 || told[r.host] || !ok {
			continue
		}
		tried, taken := r.routes.Take(r.host, request)
		may := slices.ContainsFunc(tried, func(t envoyconf.Tried) bool { return t.Answer == envoyconf.Maybe })
		if taken == nil && !may && r.host.GetMatcher() == nil && r.host.Doubt == "" {
			told[r.host] = true
			found(wholeOf(r.Value), fmt.Sprintf("virtual host %s has no route for requests without the tag: they get 404", r.host.GetName()), "end its routes with one without headers, to the baseline")
		}
	}
}

// untagged returns a request that a route would take if it had the tag. It is not ok where
// there is no telling what such a request is.
func (m *model) untagged(r envoyRoute) (request *envoyconf.Request, ok bool) {
	match := r.GetMatch()
	path := match.GetPrefix() + match.GetPath() + match.GetPathSeparatedPrefix()
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
		if exactOf(h) == "" || h.GetInvertMatch() {
			return nil, false
		}
		request.Headers = append(request.Headers, envoyconf.Header{Name: lower(h.GetName()), Value: exactOf(h)})
	}
	return request, true
}

// envoyRandomVersion finds weights beside routes by tags.
func envoyRandomVersion(m *model, found found) {
	for _, r := range m.envoyRoutes() {
		weighted := 0
		for _, c := range r.GetRoute().GetWeightedClusters().GetClusters() {
			if c.GetWeight().GetValue() > 0 {
				weighted++
			}
		}
		if weighted > 1 && !r.GetRoute().GetWeightedClusters().GetUseHashPolicy().GetValue() {
			found(wholeOf(r.At("route", "weighted_clusters")), "weights choose again for each request: a user sees one version and then the other", "give each route one cluster, and put the ratio into a rule")
		}
	}
}

// envoyRouteCluster finds a route to a cluster that is not there.
func envoyRouteCluster(m *model, found found) {
	for _, r := range m.envoyRoutes() {
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
			found(wholeOf(c.At), fmt.Sprintf("there is no cluster %q%s: requests get 503, or Envoy refuses the configuration", c.Cluster, didYouMean(c.Cluster, names)), "add it to static_resources.clusters")
		}
	}
}
