package lanes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
)

// A class of routes at the gateway is tried before the next one.
type class int

const (
	namedClass   class = iota // a rule that says whom or what it means: it decides without a tag
	tagClass                  // the route header names the lane
	openClass                 // a rule without conditions but the path: it decides for who has no tag
	defaultClass              // no rule: what a tag rule would take, were there a tag
)

// An ingressRoute is a route at the gateway.
type ingressRoute struct {
	width   int // how much wider the rule's host is than the one that was asked for
	class   class
	name    string
	rule    *IngressRule // whose target, or whose absence of a tag, it is
	matches []*networking.HTTPMatchRequest
	tag     string // whose lane is meant; "" the baseline
}

// hosts returns the hosts that the rules name, each once.
func (g *Group) hosts() (hosts []string) {
	add := func(of []string) {
		for _, h := range of {
			if !slices.Contains(hosts, h) {
				hosts = append(hosts, h)
			}
		}
	}
	for _, r := range g.Rules {
		if !r.Offline {
			add(r.Hosts)
		}
	}
	if g.Weighted != nil {
		add(g.Weighted.Hosts)
	}
	return hosts
}

// ingressRoutes returns the routes for a host: the first one that matches decides.
// Rules of wider hosts come behind its own, since Envoy looks at one host only,
// the one that fits best.
func (g *Group) ingressRoutes(host string) (routes []ingressRoute) {
	for i := range g.Rules {
		r := &g.Rules[i]
		if width := width(r.Hosts, host); width >= 0 && !r.Offline {
			routes = append(routes, ingressRoute{width: width, class: g.classOf(r), name: r.Name, rule: r, matches: r.Matches, tag: r.Lane})
		}
	}
	routes = append(routes, g.defaults(routes)...)
	slices.SortStableFunc(routes, func(a, b ingressRoute) int {
		return cmp.Or(cmp.Compare(a.width, b.width), cmp.Compare(a.class, b.class), compareMatches(a.matches, b.matches))
	})
	// A condition that is already taken is not written.
	var reached []ingressRoute
	for _, r := range routes {
		if slices.ContainsFunc(reached, func(before ingressRoute) bool { return equalMatches(before.matches, r.matches) }) {
			continue
		}
		if reached = append(reached, r); takeAll(r.matches) {
			break
		}
	}
	return reached
}

// width returns how much wider than host the narrowest pattern for it is: 0 is host
// itself, and -1 says that no pattern stands for it.
func width(patterns []string, host string) int {
	narrowest := -1
	for _, p := range patterns {
		if p == host {
			return 0
		}
		suffix, isPattern := strings.CutPrefix(p, "*")
		if w := len(host) - len(suffix); isPattern && strings.HasSuffix(host, suffix) && (narrowest < 0 || w < narrowest) {
			narrowest = w
		}
	}
	return narrowest
}

// classOf says what a rule decides by.
func (g *Group) classOf(r *IngressRule) class {
	switch {
	case g.byTag(r):
		return tagClass
	case slices.ContainsFunc(r.Matches, func(m *networking.HTTPMatchRequest) bool { return conditions(m) > 0 }):
		return namedClass
	}
	return openClass
}

// byTag reports whether the rule takes what the route header sends to its lane.
func (g *Group) byTag(r *IngressRule) bool {
	return g.RouteHeader != "" && len(r.Matches) > 0 && !slices.ContainsFunc(r.Matches, func(m *networking.HTTPMatchRequest) bool {
		return m.Headers[g.RouteHeader].GetExact() != r.Lane
	})
}

// defaults returns, for each route that decides by the tag, a route to the baseline for
// the same requests without a tag. Other requests get no route, so that only what a rule
// names is let in.
func (g *Group) defaults(routes []ingressRoute) (defaults []ingressRoute) {
	for _, r := range routes {
		if r.class != tagClass {
			continue
		}
		d := ingressRoute{width: r.width, class: defaultClass, name: "default", rule: r.rule}
		for _, m := range r.matches {
			m = proto.CloneOf(m)
			delete(m.Headers, g.RouteHeader)
			d.matches = append(d.matches, m)
		}
		if slices.ContainsFunc(d.matches, isEmpty) {
			d.matches = nil
		}
		i := slices.IndexFunc(defaults, func(other ingressRoute) bool { return other.width == d.width && equalMatches(other.matches, d.matches) })
		switch {
		case i < 0:
			defaults = append(defaults, d)
		case d.rule.Lane == g.Baseline && defaults[i].rule.Lane != g.Baseline:
			defaults[i] = d // where the baseline takes them to
		}
	}
	return defaults
}

func equalMatches(a, b []*networking.HTTPMatchRequest) bool {
	return slices.EqualFunc(a, b, func(a, b *networking.HTTPMatchRequest) bool { return proto.Equal(a, b) })
}

// gatewayVirtualServices returns the VirtualServices of the gateway: one for each set of
// hosts with the same routes. No host of a set stands for another one, since Istio takes
// such hosts for duplicates.
func (g *Group) gatewayVirtualServices() (services []*virtualService) {
	if g.Gateway.IsZero() {
		return nil
	}
	if g.Weighted != nil {
		return []*virtualService{g.weighted()}
	}
	var of [][]ingressRoute
	for _, h := range g.hosts() {
		routes := g.ingressRoutes(h)
		joined := false
		for i, vs := range services {
			if slices.EqualFunc(of[i], routes, sameRoute) && !slices.ContainsFunc(vs.spec.Hosts, func(other string) bool { return overlap(other, h) }) {
				vs.spec.Hosts, joined = append(vs.spec.Hosts, h), true
				break
			}
		}
		if !joined {
			of = append(of, routes)
			services = append(services, g.gatewayVirtualService(h, routes))
		}
	}
	for i, vs := range services {
		vs.name = g.Name
		if i > 0 {
			vs.name = fmt.Sprintf("%s-%s", g.Name, strings.NewReplacer("*.", "any.", "*", "any").Replace(vs.spec.Hosts[0]))
		}
	}
	return services
}

// overlap reports whether one of two hosts stands for the other.
func overlap(a, b string) bool { return width([]string{a}, b) >= 0 || width([]string{b}, a) >= 0 }

func sameRoute(a, b ingressRoute) bool { return a.rule == b.rule && a.class == b.class }

func (g *Group) gatewayVirtualService(host string, routes []ingressRoute) *virtualService {
	vs := &virtualService{namespace: g.Gateway.Namespace}
	vs.spec.Gateways = []string{g.Gateway.String()}
	vs.spec.Hosts = []string{host}
	vs.comment = fmt.Sprintf("Lane group %s at the gateway: %s. The first route that matches decides.", g.Name, g.order())
	for _, r := range g.Rules {
		if r.Offline && width(r.Hosts, host) >= 0 {
			vs.comment += fmt.Sprintf("\nNot in force, and left out: rule %s of lane %s.", r.Name, r.Lane)
		}
	}
	for _, r := range routes {
		route := &networking.HTTPRoute{Name: r.name, Match: r.matches}
		route.Route = []*networking.HTTPRouteDestination{{Destination: g.destination(r.rule.Service, r.rule.Port, r.tag)}}
		var why []string
		switch r.class {
		case namedClass, openClass:
			if g.RouteHeader != "" {
				route.Headers = set(g.RouteHeader, r.tag)
				why = append(why, fmt.Sprintf("lane %s, whatever tag there is: %s says so to the services behind", r.tag, g.RouteHeader))
			} else {
				why = append(why, "lane "+r.tag)
			}
		case defaultClass:
			why = append(why, fmt.Sprintf("no tag, or one that names no lane: lane %s, the baseline", g.Baseline))
		}
		vs.add(route, append(why, g.whyFallback(r.rule.Service, cmp.Or(r.tag, g.Baseline)))...)
	}
	return vs
}

// order says in which order requests are looked at.
func (g *Group) order() string {
	if g.RouteHeader == "" {
		return "rules with conditions before those without"
	}
	return fmt.Sprintf("named users before %s before the baseline", g.RouteHeader)
}

// weighted returns the VirtualService of a group that spreads requests by chance.
func (g *Group) weighted() *virtualService {
	vs := &virtualService{name: g.Name, namespace: g.Gateway.Namespace}
	vs.comment = fmt.Sprintf("Lane group %s at the gateway: the lane of each request is chosen by chance. A user goes from lane to lane.", g.Name)
	vs.spec.Gateways = []string{g.Gateway.String()}
	for _, h := range g.Weighted.Hosts { // without those that a wider one stands for: Istio takes them for duplicates
		if !slices.ContainsFunc(g.Weighted.Hosts, func(other string) bool { return other != h && width([]string{other}, h) > 0 }) {
			vs.spec.Hosts = append(vs.spec.Hosts, h)
		}
	}
	route := &networking.HTTPRoute{Name: "weighted", Match: g.Weighted.Matches}
	var why []string
	for _, s := range g.Weighted.Shares {
		d := &networking.HTTPRouteDestination{Destination: g.destination(s.Service, s.Port, s.Lane), Weight: s.Weight}
		if g.RouteHeader != "" {
			d.Headers = set(g.RouteHeader, s.Lane)
		}
		route.Route = append(route.Route, d)
		why = append(why, g.whyFallback(s.Service, s.Lane))
	}
	vs.add(route, why...)
	return vs
}

// set is an operation that writes a request header.
func set(header, value string) *networking.Headers {
	return &networking.Headers{Request: &networking.Headers_HeaderOperations{Set: map[string]string{header: value}}}
}

// destination returns where requests for a service with a tag go to.
func (g *Group) destination(s Service, port uint32, tag string) *networking.Destination {
	d := &networking.Destination{Host: s.Host(), Subset: g.Target(s, tag)}
	if port != 0 {
		d.Port = &networking.PortSelector{Number: port}
	}
	return d
}

// whyFallback says that a service is not in the lane that a tag names, or "".
func (g *Group) whyFallback(s Service, lane string) string {
	if target := g.Target(s, lane); target != lane {
		return fmt.Sprintf("%s is not in lane %s: falls back to %s", s.Name, lane, target)
	}
	return ""
}
