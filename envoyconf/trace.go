package envoyconf

import (
	"fmt"
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// A Result is where a connection manager sends a request.
type Result struct {
	Listener *Listener
	Chain    *Chain // nil: none takes the connection, or it cannot be told which
	Request  *Request
	Host     *VirtualHost // nil: none is for the host
	Domain   string       // of Host, which takes the authority
	Tried    []Tried      // the routes in their order, up to the one that is taken
	Route    *Route       // the one that is taken for sure unless one before it is a Maybe; nil: none
	// Status is that of Envoy's own answer without a route, and Why says why it gives
	// it; 0: a route is taken.
	Status int
	Why    string
	// Refused reports that the connection manager answers, before any filter and route.
	Refused bool
	// Doubts say what the model cannot tell, beside routes that are a Maybe.
	Doubts []string

	arrived []string // those of Doubts that are not of routes
}

// A Tried is a route and whether it takes the request.
type Tried struct {
	Route *Route
	Verdict
}

// Certain reports whether Envoy does just this.
func (r *Result) Certain() bool { return len(r.Doubts) == 0 && len(r.Candidates()) <= 1 }

// Candidates returns the routes that may be taken: one, unless it cannot be told. A
// route that is taken only where all before it are not is the last one.
func (r *Result) Candidates() (routes []*Route) {
	for _, t := range r.Tried {
		if t.Answer != No {
			routes = append(routes, t.Route)
		}
	}
	if r.Route == nil && len(routes) > 0 {
		routes = append(routes, nil) // or none of them
	}
	return routes
}

// Trace says where the listener sends a request that comes to it: by the filter chain,
// what the connection manager changes of the request, the virtual host and its routes.
func (l *Listener) Trace(r *Request) *Result {
	out := &Result{Listener: l}
	chain, doubt := l.chain(r)
	if out.Chain = chain; doubt != "" {
		out.Doubts = append(out.Doubts, doubt)
	}
	switch {
	case chain == nil:
		out.Why = "no filter chain takes the connection"
		return out
	case chain.HTTP == nil:
		out.Why = "the filter chain has no HTTP connection manager"
		return out
	}
	m := chain.HTTP
	seen, refused, doubts := m.arrive(r, l.GetAddress().GetSocketAddress().GetPortValue())
	out.Request, out.Doubts = seen, append(out.Doubts, doubts...)
	out.arrived = slices.Clone(out.Doubts)
	if refused != nil {
		out.Status, out.Why, out.Refused = refused.status, refused.why, true
		return out
	}
	out.route(m)
	return out
}

// Again chooses a route as Envoy does after a filter has changed the request and had the
// route forgotten. Where no route was chosen by the request, that stays.
func (r *Result) Again(change func(*Request)) *Result {
	if r.Request == nil || r.Refused {
		return r
	}
	again := &Result{Listener: r.Listener, Chain: r.Chain, Request: r.Request.with(), arrived: r.arrived, Doubts: slices.Clone(r.arrived)}
	change(again.Request)
	again.route(r.Chain.HTTP)
	return again
}

const (
	notFound = 404
	moved    = 301
)

func (r *Result) doubt(format string, args ...any) {
	r.Doubts = append(r.Doubts, fmt.Sprintf(format, args...))
}

// route chooses the virtual host and the route of r.Request.
func (r *Result) route(m *Manager) {
	c := m.Routes
	if c == nil {
		r.doubt("%s", m.NoRoutes)
		return
	}
	for _, p := range []part{m.part, c.part} {
		if p.Doubt != "" {
			r.doubt("%s", p.Doubt)
		}
	}
	if c.GetVhostHeader() != "" {
		r.doubt("vhost_header is not modelled")
	}
	r.Host, r.Domain = c.Host(r.Request.Authority)
	if c.GetVhds() != nil {
		r.doubt("further virtual hosts come from a control plane (vhds)")
	}
	if r.Host == nil {
		r.Status, r.Why = notFound, fmt.Sprintf("no virtual host is for %q", r.Request.Authority)
		return
	}
	if r.Host.Doubt != "" {
		r.doubt("%s", r.Host.Doubt)
	}
	if r.Host.GetMatcher() != nil {
		r.doubt("the virtual host chooses by a matcher, which is not modelled")
		return
	}
	if tls := r.Host.GetRequireTls(); tls != routev3.VirtualHost_NONE && r.Request.Scheme != "https" {
		if r.Status, r.Why = moved, "the virtual host redirects to https (require_tls)"; tls == routev3.VirtualHost_EXTERNAL_ONLY {
			r.doubt("require_tls is for requests from outside, by x-forwarded-for")
		}
		return
	}
	if r.Tried, r.Route = c.Take(r.Host, r.Request); r.Route != nil {
		return
	}
	r.Status, r.Why = notFound, "no route of the virtual host takes the request"
}

// Take tries the routes of a virtual host of c in their order, up to the one that is taken
// for sure; nil: none is. The request is one that has arrived.
func (c *RouteConfig) Take(h *VirtualHost, r *Request) (tried []Tried, taken *Route) {
	for _, route := range h.Routes {
		v := c.match(route, r)
		if tried = append(tried, Tried{route, v}); v.Answer == Yes {
			return tried, route
		}
	}
	return tried, nil
}

// Behind returns the routes that would take the request too, and never get one: the route
// that is taken stands before them, and takes all that they would.
func (r *Result) Behind() (routes []*Route) {
	if r.Route == nil {
		return nil
	}
	for _, later := range r.Host.Routes[slices.Index(r.Host.Routes, r.Route)+1:] {
		if r.Route.Covers(later) && r.Chain.HTTP.Routes.match(later, r.Request).Answer == Yes {
			routes = append(routes, later)
		}
	}
	return routes
}

// Override returns what the route that is taken, its virtual host or its route
// configuration sets for the filter of a name, or nil: the nearest counts.
func (r *Result) Override(filter string) *Override {
	if r.Route == nil {
		return nil
	}
	c := r.Chain.HTTP.Routes
	for _, level := range []struct {
		part
		configs map[string]*anypb.Any
	}{
		{r.Route.part, r.Route.GetTypedPerFilterConfig()},
		{r.Host.part, r.Host.GetTypedPerFilterConfig()},
		{c.part, c.GetTypedPerFilterConfig()},
	} {
		if at := level.At("typed_per_filter_config").Get(filter); at.Exists() {
			return &Override{at, level.configs[filter]}
		}
	}
	return nil
}
