package lint

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/lint"
)

// unknownGateway finds a VirtualService that is bound to a Gateway which is not
// there, where others of its namespace or of its name are.
func unknownGateway(m *model, found found) {
	for _, v := range m.virtual {
		for i, key := range v.bindings {
			if key == meshGateway || m.gateway(key) != nil {
				continue
			}
			space, name, _ := strings.Cut(key, "/")
			at := v.in("spec", "gateways", i)
			var neighbours []string
			elsewhere := slices.IndexFunc(m.gateways, func(g *gateway) bool { return g.doc.Name == name })
			for _, g := range m.gateways {
				if namespace(g.doc) == space {
					neighbours = append(neighbours, g.doc.Name)
				}
			}
			switch {
			case elsewhere >= 0:
				found(at, fmt.Sprintf("there is no Gateway %s in namespace %s, but one in %s: no request gets here", name, space, namespace(m.gateways[elsewhere].doc)),
					"write "+m.gateways[elsewhere].key())
			case len(neighbours) > 0:
				found(at, fmt.Sprintf("there is no Gateway %s in namespace %s%s: no request gets here", name, space, lint.DidYouMean(name, neighbours)),
					"correct the name, or add the Gateway")
			}
		}
	}
}

func (m *model) gateway(key string) *gateway {
	for _, g := range m.gateways {
		if g.key() == key {
			return g
		}
	}
	return nil
}

// unboundGateway finds a Gateway without a VirtualService.
func unboundGateway(m *model, found found) {
	for _, g := range m.gateways {
		if m.concernsGateway(g) && !m.bound[g.key()] {
			found(g.in("metadata", "name"), "no VirtualService is bound to this Gateway: every request gets 404", fmt.Sprintf("name it in one, gateways: [%s]", g.key()))
		}
	}
}

// gatewayHosts finds a VirtualService for hosts that its Gateway does not serve.
func gatewayHosts(m *model, found found) {
	for _, v := range m.virtual {
		for _, key := range v.bindings {
			g := m.gateway(key)
			if g == nil {
				continue
			}
			var served []string
			for _, s := range g.GetServers() {
				served = append(served, s.GetHosts()...)
			}
			if !servesAny(served, v.hosts) {
				found(v.in("spec", "hosts"), fmt.Sprintf("%s serves %s, and none of these hosts: no request gets here", id(g.doc), list(served)), "take hosts of the Gateway")
			}
		}
	}
}

// gatewayNotHTTP finds a Gateway that passes connections on for hosts whose routes
// are by headers: it sees no requests, and has no filter to ask tagproc.
func gatewayNotHTTP(m *model, found found) {
	for _, g := range m.gateways {
		for i, s := range g.GetServers() {
			protocol, mode := strings.ToUpper(s.GetPort().GetProtocol()), s.GetTls().GetMode()
			passes := mode == networking.ServerTLSSettings_PASSTHROUGH || mode == networking.ServerTLSSettings_AUTO_PASSTHROUGH
			switch protocol {
			case "HTTP", "HTTP2", "GRPC", "GRPC-WEB":
				continue
			case "HTTPS":
				if !passes {
					continue
				}
			}
			j := slices.IndexFunc(m.virtual, func(v *virtualService) bool {
				return len(v.matched) > 0 && slices.Contains(v.bindings, g.key()) && servesAny(s.GetHosts(), v.hosts)
			})
			if j < 0 {
				continue
			}
			how := protocol
			if passes {
				how += " with " + mode.String()
			}
			found(g.in("spec", "servers", i, "port", "protocol"), fmt.Sprintf("with %s the gateway sees connections, not requests: it does not ask tagproc, and the routes of %s by headers have no effect", how, id(m.virtual[j].doc)),
				"write HTTPS, with tls: {mode: SIMPLE, credentialName: …}, so that the gateway ends TLS")
		}
	}
}

// servesAny reports whether hosts of a server, which may have a namespace before
// them, meet one of others.
func servesAny(served, hosts []string) bool {
	return slices.ContainsFunc(served, func(s string) bool {
		if _, host, inNamespace := strings.Cut(s, "/"); inNamespace {
			s = host
		}
		return slices.ContainsFunc(hosts, func(h string) bool { return hostsMeet(s, h) })
	})
}

// gatewayOnly finds routes by headers for Services that sidecars are not given.
func gatewayOnly(m *model, found found) {
	for _, v := range m.virtual {
		if v.inMesh() || len(v.matched) == 0 {
			continue
		}
		for i, h := range v.hosts {
			elsewhere := slices.ContainsFunc(m.virtual, func(o *virtualService) bool { return o.inMesh() && slices.Contains(o.hosts, h) })
			if _, space := splitHost(h); space != "" && !elsewhere {
				found(v.in("spec", "gateways"), fmt.Sprintf("these routes apply at the gateway alone; calls from other pods to %s are not routed by tags", v.GetHosts()[i]),
					"leave gateways out, or add mesh to it")
				break
			}
		}
	}
}

// meshOnly finds routes for hosts of a gateway that no gateway is given.
func meshOnly(m *model, found found) {
	for _, v := range m.virtual {
		if v.atGateway() {
			continue
		}
		for i, h := range v.hosts {
			served := slices.ContainsFunc(m.gateways, func(g *gateway) bool {
				for _, s := range g.GetServers() {
					if slices.Contains(s.GetHosts(), h) {
						return true
					}
				}
				return false
			})
			if h == "*" || served {
				found(v.in("spec", "hosts", i), fmt.Sprintf("these routes apply to sidecars alone, and %s is the host of a gateway", h), "name the Gateway in gateways")
			}
		}
	}
}

// gatewaySelector finds a Gateway that selects none of the gateways' pods.
func gatewaySelector(m *model, found found) {
	for _, g := range m.gateways {
		var there []string
		selected := false
		for _, w := range m.pods {
			selected = selected || contains(w.Metadata.Labels, g.GetSelector())
			if looksLikeGateway(w) {
				there = append(there, labelText(w.Metadata.Labels))
			}
		}
		if !selected && len(there) > 0 && m.concernsGateway(g) {
			found(g.in("spec", "selector"), fmt.Sprintf("no pods have the labels %s; those of gateways have %s: nobody listens", labelText(g.GetSelector()), list(there)),
				"select the labels of the pod template")
		}
	}
}
