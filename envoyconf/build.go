package envoyconf

import (
	"fmt"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	upstreamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/source"
)

// Types that are looked into; importing them makes them known.
var (
	_ *extprocv3.ExternalProcessor
	_ *mutationv3.HeaderMutation
	_ *routerv3.Router
	_ *earlyv3.HeaderMutation
	_ *upstreamv3.HttpProtocolOptions
)

// message reads v into m. What m cannot hold is a warning, and a doubt of the part.
// Fields named in apart are read apart: they are left out of m.
func (r *reader) message(v source.Value, m proto.Message, apart ...string) part {
	p := part{Value: v}
	for _, f := range v.Without(both(apart)...).Message(m) {
		switch f.Sort {
		case source.NullValue: // as if it were not there
		case source.UnknownType:
			r.problems = append(r.problems, f.At.Problem(source.Warning, KindUnknownType, fmt.Sprintf("the type %s is not known here: what depends on it is left open", source.Shorten(f.Name))))
		default:
			p.Doubt = f.Reason
			r.problems = append(r.problems, f.At.Problem(source.Warning, KindUnknownField, f.Reason))
		}
	}
	return p
}

// both returns the two spellings of fields.
func both(fields []string) (names []string) {
	for _, f := range fields {
		names = append(names, f, camel(f))
	}
	return names
}

func (r *reader) listener(v source.Value) {
	l := &Listener{Listener: &listenerv3.Listener{}}
	l.part = r.message(v, l.Listener, "filter_chains", "default_filter_chain", "access_log")
	for _, e := range get(v, "filter_chains").Elements() {
		l.Chains = append(l.Chains, r.chain(e))
	}
	if e := get(v, "default_filter_chain"); e.Exists() {
		c := r.chain(e)
		c.Default = true
		l.Chains = append(l.Chains, c)
	}
	r.config.Listeners = append(r.config.Listeners, l)
}

const managerType = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

func (r *reader) chain(v source.Value) *Chain {
	c := &Chain{FilterChain: &listenerv3.FilterChain{}}
	c.part = r.message(v, c.FilterChain, "filters", "transport_socket")
	for _, f := range get(v, "filters").Elements() {
		if config := get(f, "typed_config"); typeName(config.Text("@type")) == managerType {
			c.HTTP = r.manager(config)
		}
	}
	return c
}

func (r *reader) manager(v source.Value) *Manager {
	m := &Manager{HttpConnectionManager: &hcmv3.HttpConnectionManager{}}
	m.part = r.message(v, m.HttpConnectionManager, "http_filters", "route_config", "access_log", "tracing")
	for _, e := range get(v, "http_filters").Elements() {
		f := &Filter{HttpFilter: &hcmv3.HttpFilter{}}
		f.part = r.message(e, f.HttpFilter)
		if config := f.GetTypedConfig(); config != nil {
			f.Config, _ = config.UnmarshalNew() // nil: the type is not known
		}
		m.Filters = append(m.Filters, f)
	}
	if e := get(v, "route_config"); e.Exists() {
		m.Routes = r.routeConfig(e)
	}
	return m
}

func (r *reader) routeConfig(v source.Value) *RouteConfig {
	c := &RouteConfig{RouteConfiguration: &routev3.RouteConfiguration{}}
	c.part = r.message(v, c.RouteConfiguration, "virtual_hosts")
	for _, e := range get(v, "virtual_hosts").Elements() {
		h := &VirtualHost{VirtualHost: &routev3.VirtualHost{}}
		h.part = r.message(e, h.VirtualHost, "routes")
		for i, e := range get(e, "routes").Elements() {
			route := &Route{Route: &routev3.Route{}, Index: i}
			route.part = r.message(e, route.Route)
			h.Routes = append(h.Routes, route)
		}
		c.Hosts = append(c.Hosts, h)
	}
	return c
}

// join gives each connection manager the routes that it names.
func (r *reader) join() {
	for _, l := range r.config.Listeners {
		for _, c := range l.Chains {
			if c.HTTP == nil || c.HTTP.Routes != nil {
				continue
			}
			m := c.HTTP
			name := m.GetRds().GetRouteConfigName()
			for _, routes := range r.config.Routes {
				if name != "" && routes.GetName() == name {
					m.Routes = routes
				}
			}
			switch {
			case m.Routes != nil:
			case m.GetScopedRoutes() != nil:
				m.NoRoutes = "its routes are scoped (scoped_routes), which is not modelled"
			case name == "":
				m.NoRoutes = "it has neither route_config nor rds"
			default:
				m.NoRoutes = fmt.Sprintf("its routes %q come from a control plane, and the files do not have them; give what GET /config_dump of the admin port returns", name)
				r.problem(get(m.Value, "rds"), source.Warning, KindNoRoutes, "the route configuration %q is not among the files", name)
			}
		}
	}
}
