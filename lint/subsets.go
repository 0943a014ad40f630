package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/envoyconf"
)

// Istio names a cluster after the port, the subset and the host of a Service, so that two
// versions of one application can be told from two applications.

// A version is a subset of a Service.
type version struct{ host, subset string }

// versionOf returns what a cluster of Istio is.
func versionOf(cluster string) (v version, ok bool) {
	parts := strings.Split(cluster, "|")
	if len(parts) != 4 || parts[0] != "outbound" {
		return v, false
	}
	return version{parts[3], parts[2]}, true
}

// isWritten reports whether a route is of a VirtualService, and not what Istio makes for a
// Service without one.
func isWritten(r *envoyconf.Route) bool {
	return r.GetMetadata().GetFilterMetadata()["istio"].GetFields()["config"].GetStringValue() != ""
}

// versions returns where a route leads among versions.
func versions(r *envoyconf.Route) (vs []version) {
	for _, c := range r.Target(&envoyconf.Request{}).Clusters {
		if v, ok := versionOf(c.Cluster); ok {
			vs = append(vs, v)
		}
	}
	return vs
}

// sameHost reports whether two routes lead to a Service in common.
func sameHost(a, b *envoyconf.Route) bool {
	return slices.ContainsFunc(versions(a), func(v version) bool {
		return slices.ContainsFunc(versions(b), func(o version) bool { return o.host == v.host })
	})
}

// halfRoutedTag finds routes to a host that know nothing of a tag by which another Envoy
// chooses the subset of that host.
func halfRoutedTag(m *Model, found found) {
	type tagged struct {
		version
		header, value string
		envoy         *Envoy
		at            *envoyconf.Route
	}
	var byTag []tagged
	leads := map[*Envoy]map[version]*envoyconf.Route{}
	hosts := map[*Envoy]map[string]*envoyconf.Route{}
	m.eachRoute(func(r route) {
		if leads[r.envoy] == nil {
			leads[r.envoy], hosts[r.envoy] = map[version]*envoyconf.Route{}, map[string]*envoyconf.Route{}
		}
		for _, v := range versions(r.Route) {
			leads[r.envoy][v] = r.Route
			if isWritten(r.Route) && hosts[r.envoy][v.host] == nil {
				hosts[r.envoy][v.host] = r.Route
			}
			for _, h := range m.tagMatches(r.Route) {
				if v.subset != "" {
					byTag = append(byTag, tagged{v, lower(h.GetName()), envoyconf.Exact(h), r.envoy, r.Route})
				}
			}
		}
	})
	for _, t := range byTag {
		for _, e := range m.Envoys {
			other := hosts[e][t.host]
			if e == t.envoy || other == nil || leads[e][t.version] != nil || m.scoped(t.at.Value) {
				continue
			}
			found(other.Value, fmt.Sprintf("the route at %s sends %s: %s to subset %s of %s; this route to the same host does not, and a request that comes this way never gets there",
				m.place(t.at.Value), t.header, t.value, t.subset, t.host), "match the tag here too, before this route")
		}
	}
}

// shadowedHost finds a virtual host that knows nothing of a tag by which one for more
// hosts chooses the subset: for its own hosts Envoy takes the narrower one.
func shadowedHost(m *Model, found found) {
	leads := func(h *envoyconf.VirtualHost, is func(v version) bool) *envoyconf.Route {
		for _, r := range h.Routes {
			if slices.ContainsFunc(versions(r), is) && isWritten(r) {
				return r
			}
		}
		return nil
	}
	for _, r := range m.routes() {
		tags := m.tagMatches(r.Route)
		if len(tags) == 0 {
			continue
		}
		for _, v := range versions(r.Route) {
			for _, h := range r.routes.Hosts {
				if v.subset == "" || h == r.host || !narrows(h, r.host) {
					continue
				}
				other := leads(h, func(o version) bool { return o.host == v.host })
				if other == nil || leads(h, func(o version) bool { return o == v }) != nil {
					continue
				}
				found(other.Value, fmt.Sprintf("%s is narrower than %s, whose route at %s sends %s: %s to subset %s of %s: for these hosts the tag chooses nothing",
					strings.Join(h.GetDomains(), ", "), strings.Join(r.host.GetDomains(), ", "), m.place(r.Value), lower(tags[0].GetName()), envoyconf.Exact(tags[0]), v.subset, v.host),
					"match the tag here too, before this route")
			}
		}
	}
}

// narrows reports whether a domain of h is among those of a wildcard of wide.
func narrows(h, wide *envoyconf.VirtualHost) bool {
	return slices.ContainsFunc(wide.GetDomains(), func(w string) bool {
		suffix, wild := strings.CutPrefix(w, "*")
		return wild && slices.ContainsFunc(h.GetDomains(), func(d string) bool { return d != w && strings.HasSuffix(d, suffix) })
	})
}

// noSubset finds a route that names no subset of a host whose subsets routes by tags
// choose.
func noSubset(m *Model, found found) {
	subsets := map[string][]string{}
	for _, r := range m.routes() {
		for _, v := range versions(r.Route) {
			if v.subset != "" && len(m.tagMatches(r.Route)) > 0 && !slices.Contains(subsets[v.host], v.subset) {
				subsets[v.host] = append(subsets[v.host], v.subset)
			}
		}
	}
	m.eachRoute(func(r route) {
		for _, v := range versions(r.Route) {
			if v.subset == "" && isWritten(r.Route) && len(subsets[v.host]) > 0 {
				found(r.Value, fmt.Sprintf("the route names no subset of %s, which has %s: each request gets any version", v.host, strings.Join(subsets[v.host], ", ")), "name the subset of the baseline")
			}
		}
	})
}
