package lint

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
)

// noDefaultRoute finds a VirtualService that has routes by tags or named users, or,
// without rules, by any header, and none for requests without them.
func noDefaultRoute(m *model, found found) {
	concerns := func(match *networking.HTTPMatchRequest) bool {
		return slices.ContainsFunc(sortedKeys(match.GetHeaders()), func(name string) bool {
			return len(m.sets()) == 0 || m.owns(lower(name)) || m.isKey(lower(name))
		})
	}
	for _, v := range m.virtual {
		if slices.ContainsFunc(m.virtual, func(o *virtualService) bool { return o.takesAll && o.merged(v) }) {
			continue
		}
		without := v.lastWithoutHeaders()
		for i, r := range v.GetHttp() {
			j := slices.IndexFunc(r.GetMatch(), func(match *networking.HTTPMatchRequest) bool {
				return concerns(match) && without[matchKey(bare(match))] <= i
			})
			if j >= 0 {
				found(v.route(i), fmt.Sprintf("%s has no route for requests that lack the header: they get 404", id(v.doc)),
					"end the list with a route without match, to the baseline")
				break
			}
		}
	}
}

// merged reports whether Istio puts the routes of two VirtualServices together: it
// does so at a gateway. One is merged with itself.
func (v *virtualService) merged(o *virtualService) bool {
	if v == o {
		return true
	}
	shared := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(s string) bool { return s != meshGateway && slices.Contains(b, s) })
	}
	return shared(v.bindings, o.bindings) && shared(v.hosts, o.hosts)
}

// lastWithoutHeaders returns, by the key of each match without headers, the index of
// the last route that has it.
func (v *virtualService) lastWithoutHeaders() map[string]int {
	last := map[string]int{}
	for i, r := range v.GetHttp() {
		for _, match := range r.GetMatch() {
			if len(match.GetHeaders()) == 0 {
				last[matchKey(bare(match))] = i
			}
		}
	}
	return last
}

// bare returns a match without its name and headers.
func bare(m *networking.HTTPMatchRequest) *networking.HTTPMatchRequest {
	m = proto.CloneOf(m)
	m.Name, m.Headers = "", nil
	return m
}

// unreachableRoute finds routes behind one that takes every request.
func unreachableRoute(m *model, found found) {
	for _, v := range m.virtual {
		all := slices.IndexFunc(v.GetHttp(), takesAll)
		if all < 0 {
			continue
		}
		for i := all + 1; i < len(v.GetHttp()); i++ {
			found(v.route(i), fmt.Sprintf("this route is never reached: the one at %s takes every request", v.route(all)),
				"put the route without match last")
		}
	}
}

// duplicateRoute finds a match that an earlier route has already.
func duplicateRoute(m *model, found found) {
	for _, v := range m.virtual {
		first := map[string]int{} // the route that has a match first
		for i, r := range v.GetHttp() {
			for j, match := range r.GetMatch() {
				key := matchKey(match)
				k, known := first[key]
				if !known {
					first[key] = i
				}
				if known && k < i && key != "" {
					found(v.route(i, "match", j), fmt.Sprintf("the route at %s has the same match and comes first", v.route(k)), "delete one of the two")
				}
			}
		}
	}
}

// matchKey returns a text that is equal for equal matches, whatever their names.
func matchKey(m *networking.HTTPMatchRequest) string {
	if m.GetName() != "" {
		m = proto.CloneOf(m)
		m.Name = ""
	}
	key, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil { // not UTF-8, which no manifest has
		return m.String()
	}
	return string(key)
}

// twoInMesh finds two VirtualServices of the sidecars for one host.
func twoInMesh(m *model, found found) {
	first := map[string]*virtualService{}
	for _, v := range m.virtual {
		for i, h := range v.hosts {
			if !v.inMesh() {
				continue
			}
			if o := first[h]; o != nil && o != v {
				found(v.in("spec", "hosts", i), fmt.Sprintf("%s is for %s too: sidecars take the older of the two and ignore the other", id(o.doc), h),
					"put the routes into one VirtualService")
				continue
			}
			first[h] = v
		}
	}
}

// mergedAtGateway finds two VirtualServices of one gateway for one host that both
// have a default route. Where one has, Istio puts it behind the routes of both.
func mergedAtGateway(m *model, found found) {
	first := map[string]*virtualService{}
	for _, v := range m.virtual {
		for _, g := range v.bindings {
			for i, h := range v.hosts {
				if g == meshGateway {
					continue
				}
				key := g + " " + h
				o := first[key]
				if o == nil {
					first[key] = v
				}
				if o == nil || o == v || !o.takesAll || !v.takesAll {
					continue
				}
				found(v.in("spec", "hosts", i), fmt.Sprintf("%s is for %s at gateway %s too: Istio takes the default route of the older one, and never that of the other", id(o.doc), h, g),
					"put the routes into one VirtualService")
			}
		}
	}
}

// randomVersion finds a route that spreads requests over versions by weight.
func randomVersion(m *model, found found) {
	for _, v := range m.virtual {
		for i, r := range v.GetHttp() {
			subsets := map[string]bool{}
			for _, d := range r.GetRoute() {
				if d.GetWeight() > 0 {
					subsets[d.GetDestination().GetHost()+" "+d.GetDestination().GetSubset()] = true
				}
			}
			if len(subsets) > 1 {
				found(v.route(i, "route"), "weights choose again for each request: a user sees one version and then the other", "give each route one destination, and put the ratio into a rule")
			}
		}
	}
}
