package lint

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/source"
)

// A virtualService is a VirtualService with the hosts that Istio makes of its
// names.
type virtualService struct {
	place

	*networking.VirtualService
	hosts   []string      // full
	leads   []destination // where its HTTP routes lead, mirrors left out
	matched []headerMatch // every header that they match, in their order

	changes  []headerOperation // what they do to headers
	bindings []string          // the Gateways as namespace/name, and mesh
	takesAll bool              // a route takes every request
	reached  map[string]bool   // hosts and their subsets that they lead to
}

// A destinationRule is a DestinationRule.
type destinationRule struct {
	place

	*networking.DestinationRule
	host string // full
}

// A gateway is a Gateway.
type gateway struct {
	place

	*networking.Gateway
}

const meshGateway = "mesh"

func (m *model) addVirtualService(d *source.Document) {
	v := &virtualService{place: place{doc: d}, VirtualService: &networking.VirtualService{}}
	if !m.decode(v.in("spec"), v.VirtualService) {
		return
	}
	for _, h := range v.GetHosts() {
		v.hosts = append(v.hosts, fullHost(h, namespace(d)))
	}
	v.leads, v.matched, v.changes, v.bindings = v.readDestinations(), v.readHeaderMatches(), v.readHeaderOperations(), v.readBindings()
	v.takesAll = slices.ContainsFunc(v.GetHttp(), takesAll)
	v.reached = map[string]bool{}
	for _, l := range v.leads {
		v.reached[l.host+" "+l.subset] = true
	}
	for _, g := range v.bindings {
		m.bound[g] = true
	}
	m.virtual = append(m.virtual, v)
}

func (m *model) addDestinationRule(d *source.Document) {
	r := &destinationRule{place: place{doc: d}, DestinationRule: &networking.DestinationRule{}}
	if m.decode(r.in("spec"), r.DestinationRule) {
		r.host = fullHost(r.GetHost(), namespace(d))
		m.subsets = append(m.subsets, r)
	}
}

func (m *model) addGateway(d *source.Document) {
	g := &gateway{place{doc: d}, &networking.Gateway{}}
	if m.decode(g.in("spec"), g.Gateway) {
		m.gateways = append(m.gateways, g)
	}
}

func (m *model) addServiceEntry(d *source.Document) {
	e := &networking.ServiceEntry{}
	if m.decode(place{d, []any{"spec"}}, e) {
		m.externals = append(m.externals, e.GetHosts()...)
	}
}

// key returns how VirtualServices of other namespaces name the Gateway.
func (g *gateway) key() string { return namespace(g.doc) + "/" + g.doc.Name }

func (v *virtualService) readBindings() []string {
	if len(v.GetGateways()) == 0 {
		return []string{meshGateway}
	}
	var keys []string
	for _, g := range v.GetGateways() {
		if g != meshGateway && !strings.Contains(g, "/") {
			g = namespace(v.doc) + "/" + g
		}
		keys = append(keys, g)
	}
	return keys
}

// inMesh reports whether the sidecars have the routes.
func (v *virtualService) inMesh() bool { return slices.Contains(v.bindings, meshGateway) }

// atGateway reports whether a gateway has the routes.
func (v *virtualService) atGateway() bool {
	return slices.ContainsFunc(v.bindings, func(b string) bool { return b != meshGateway })
}

// route returns the place of the HTTP route of index i, or of a part of it.
func (v *virtualService) route(i int, path ...any) place { return v.in("spec", "http", i).in(path...) }

// A destination is where a route leads.
type destination struct {
	at     place
	vs     *virtualService
	route  int
	host   string // full
	subset string
	port   uint32 // 0: the route names no port
}

func (v *virtualService) readDestinations() (ds []destination) {
	for i, r := range v.GetHttp() {
		for j, w := range r.GetRoute() {
			d := w.GetDestination()
			ds = append(ds, destination{
				at: v.route(i, "route", j, "destination"), vs: v, route: i,
				host: fullHost(d.GetHost(), namespace(v.doc)), subset: d.GetSubset(), port: d.GetPort().GetNumber(),
			})
		}
	}
	return ds
}

func (m *model) destinations() (ds []destination) {
	for _, v := range m.virtual {
		ds = append(ds, v.leads...)
	}
	return ds
}

// subsetsOf returns the subsets that DestinationRules give a host.
func (m *model) subsetsOf(host string) []string { return m.index.subsets[host] }
