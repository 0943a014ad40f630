package lint

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/tagproc/tagproc/envoyconf"
)

// unaskedGateway finds listeners of gateways that route by tags, and neither have requests
// tagged nor remove the tags of clients.
func unaskedGateway(m *Model, found found) {
	for _, e := range m.Envoys {
		if !e.Gateway {
			continue
		}
		for _, l := range e.Listeners {
			if isLocal(l) {
				continue
			}
			for _, c := range l.Chains {
				if c.HTTP == nil || c.HTTP.Routes == nil || slices.ContainsFunc(m.Sides, func(s *Side) bool { return s.of == c.HTTP }) {
					continue
				}
				manager := NewManager(c.HTTP.HttpConnectionManager, c.HTTP.Value)
				for header, r := range m.followed(c.HTTP.Routes) {
					if manager.strips(header) {
						continue
					}
					where := "the listener " + l.GetName()
					if e.Name != "" {
						where += " of " + e.Name
					}
					found(headerAt(r, header), fmt.Sprintf("a client that sends %s itself gets this route by %s, which neither asks tagproc nor removes the header", header, where),
						m.fix("have its connection manager ask tagproc and remove the header early; where only a gateway of yours reaches it, this is right", "have an EnvoyFilter of tagproc select that gateway and port; where only a gateway of yours reaches it, this is right"))
				}
			}
		}
	}
}

// isLocal reports whether nobody but processes beside Envoy reach a listener.
func isLocal(l *envoyconf.Listener) bool {
	address := l.GetAddress()
	ip, err := netip.ParseAddr(address.GetSocketAddress().GetAddress())
	return address.GetPipe() != nil || address.GetEnvoyInternalAddress() != nil || l.GetInternalListener() != nil || err == nil && ip.IsLoopback()
}

// followed returns the tag headers that routes match, unless clients may send them, each with
// the first such route.
func (m *Model) followed(config *envoyconf.RouteConfig) map[string]*envoyconf.Route {
	first := map[string]*envoyconf.Route{}
	for _, h := range config.Hosts {
		for _, r := range h.Routes {
			for _, match := range m.tagMatches(r) {
				name := lower(match.GetName())
				trusted := slices.ContainsFunc(m.Rules, func(r *Rules) bool { return r.Table.Owned().Contains(name) && r.Table.TrustClientTags() })
				if first[name] == nil && !trusted {
					first[name] = r
				}
			}
		}
	}
	return first
}
