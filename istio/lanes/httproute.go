package lanes

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/source"
)

// API versions of what HTTPRoutes returns.
const (
	gatewayGroup      = "gateway.networking.k8s.io"
	gatewayAPIVersion = gatewayGroup + "/v1"
)

// HTTPRoutes returns the resources of the Gateway API that make the group's lanes, with
// the same users in them as by Render: a Service for each lane of a service, an HTTPRoute
// for each service inside the mesh, and the HTTPRoutes of the gateway, with the Gateway
// if that is wanted. docs have the Services of the group. An error names everything that
// an HTTPRoute cannot say.
func HTTPRoutes(g *Group, docs []*source.Document, withGateway bool) ([]*manifest.Object, error) {
	if g.Strict {
		return nil, fmt.Errorf("the group %s is strict: it routes by the labels of callers, which an HTTPRoute does not know: make it loose, or render VirtualServices", g.Name)
	}
	r := &httpRoutes{Group: g, services: map[Service]kubeService{}}
	for _, d := range docs {
		if s := (Service{cmp.Or(d.Namespace, "default"), d.Name}); d.Kind == "Service" && d.Group() == "" && slices.Contains(g.Services, s) {
			r.service(s, d)
		}
	}
	for _, s := range g.Services {
		if _, ok := r.services[s]; !ok {
			r.errorf("Service %s is not among the files, and a Service of a lane has its selector and ports: add it, as kubectl get service -n %s %s -o yaml prints it", s, s.Namespace, s.Name)
		}
	}
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	if withGateway && !g.Gateway.IsZero() {
		r.add("Gateway", g.Gateway.Name, g.Gateway.Namespace, "Where requests enter.", manifest.Encode(gatewaySpec()))
	}
	for _, s := range g.Services {
		r.laneServices(s)
		r.mesh(s)
	}
	for _, vs := range g.gatewayVirtualServices() {
		r.gateway(vs)
	}
	r.grants()
	return r.objects, errors.Join(r.errs...)
}

// httpRoutes is what is made of a group so far.
type httpRoutes struct {
	*Group

	services map[Service]kubeService
	objects  []*manifest.Object
	granted  map[string]map[string]bool // namespaces of HTTPRoutes, by that of the Services they lead to
	errs     []error
}

// kubeService is what a Service of a lane takes from the Service of all lanes.
type kubeService struct {
	selector map[string]string
	ports    []servicePort
}

type servicePort struct {
	Name        string `yaml:"name,omitempty"`
	Port        uint32 `yaml:"port"`
	TargetPort  any    `yaml:"targetPort,omitempty"`
	Protocol    string `yaml:"protocol,omitempty"`
	AppProtocol string `yaml:"appProtocol,omitempty"`
}

func (r *httpRoutes) errorf(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

// service reads a Service.
func (r *httpRoutes) service(s Service, d *source.Document) {
	var spec struct {
		Selector map[string]string `yaml:"selector"`
		Ports    []servicePort     `yaml:"ports"`
	}
	if err := d.Get("spec").Decode(&spec); err != nil {
		r.errorf("Service %s cannot be read: %w", s, err)
		return
	}
	if len(spec.Selector) == 0 || len(spec.Ports) == 0 {
		r.errorf("Service %s has no selector or no ports, which Services of lanes take from it", s)
		return
	}
	r.services[s] = kubeService{spec.Selector, spec.Ports}
}

func (r *httpRoutes) add(kind, name, namespace, comment string, spec *manifest.Tree) {
	version := gatewayAPIVersion
	if kind == "Service" {
		version = "v1"
	}
	if !manifest.IsName(name) || kind == "Service" && !manifest.IsDNSLabel(name) {
		r.errorf("%s %s: Kubernetes takes no such name: rename the lane or the service", kind, name)
	}
	r.objects = append(r.objects, &manifest.Object{
		APIVersion: version, Kind: kind, Name: name, Namespace: namespace, Labels: r.labels(), Comment: comment, Spec: spec,
	})
}

// laneServices makes a Service for each lane that has s: a backend has no subsets.
func (r *httpRoutes) laneServices(s Service) {
	base := r.services[s]
	for _, l := range r.Lanes {
		if !l.Has(s) {
			continue
		}
		selector := maps.Clone(base.selector)
		maps.Copy(selector, l.labelsOf(s))
		r.add("Service", laneService(s, l.Name), s.Namespace, fmt.Sprintf("The pods of %s in lane %s.", s.Name, l.Name), manifest.Encode(struct {
			Selector map[string]string `yaml:"selector"`
			Ports    []servicePort     `yaml:"ports"`
		}{selector, base.ports}))
	}
}

// laneService is the name of the Service of a lane.
func laneService(s Service, lane string) string { return s.Name + "-" + lane }

// mesh makes the HTTPRoutes that calls inside of the mesh take: one for each port, since
// a backend has one.
func (r *httpRoutes) mesh(s Service) {
	vs := r.meshVirtualService(s)
	ports := r.services[s].ports
	for _, p := range ports {
		name, parent := s.Name, parentRef{Kind: "Service", Name: s.Name}
		if len(ports) > 1 {
			name, parent.Port = fmt.Sprintf("%s-%d", s.Name, p.Port), p.Port
		}
		r.route(name, s.Namespace, vs, parent, p.Port)
	}
}

// gateway makes an HTTPRoute of the gateway, beside the Services that it leads to.
func (r *httpRoutes) gateway(vs *virtualService) {
	namespace := r.Gateway.Namespace
	if first := vs.spec.GetHttp()[0].GetRoute(); len(first) > 0 {
		namespace = hostName(first[0].GetDestination().GetHost()).Namespace
	}
	parent := parentRef{Group: gatewayGroup, Kind: "Gateway", Name: r.Gateway.Name}
	if namespace != r.Gateway.Namespace {
		parent.Namespace = r.Gateway.Namespace
		vs.comment += fmt.Sprintf("\nThe Gateway %s has to allow routes of this namespace (allowedRoutes).", r.Gateway)
	}
	name := vs.name
	if slices.ContainsFunc(r.Services, func(s Service) bool { return s == Service{namespace, name} }) {
		name += "-gateway"
	}
	r.route(name, namespace, vs, parent, 0)
}

// The parts of an HTTPRoute.
type (
	parentRef struct {
		Group     string `yaml:"group"`
		Kind      string `yaml:"kind"`
		Name      string `yaml:"name"`
		Namespace string `yaml:"namespace,omitempty"`
		Port      uint32 `yaml:"port,omitempty"`
	}
	routeSpec struct {
		ParentRefs []parentRef `yaml:"parentRefs"`
		Hostnames  []string    `yaml:"hostnames,omitempty"`
		Rules      []routeRule `yaml:"rules"`
	}
	routeRule struct {
		Matches     []routeMatch  `yaml:"matches,omitempty"`
		Filters     []routeFilter `yaml:"filters,omitempty"`
		BackendRefs []backendRef  `yaml:"backendRefs"`
	}
	routeMatch struct {
		Path        *valueMatch  `yaml:"path,omitempty"`
		Headers     []valueMatch `yaml:"headers,omitempty"`
		QueryParams []valueMatch `yaml:"queryParams,omitempty"`
		Method      string       `yaml:"method,omitempty"`
	}
	valueMatch struct {
		Type  string `yaml:"type,omitempty"` // "": Exact
		Name  string `yaml:"name,omitempty"`
		Value string `yaml:"value"`
	}
	routeFilter struct {
		Type     string         `yaml:"type"`
		Modifier headerModifier `yaml:"requestHeaderModifier"`
	}
	headerModifier struct {
		Set []valueMatch `yaml:"set"`
	}
	backendRef struct {
		Name      string        `yaml:"name"`
		Namespace string        `yaml:"namespace,omitempty"`
		Port      uint32        `yaml:"port"`
		Weight    *int32        `yaml:"weight,omitempty"`
		Filters   []routeFilter `yaml:"filters,omitempty"`
	}
)

// route makes an HTTPRoute of what a VirtualService says. port is that of its backends; 0:
// what the destination says, or the only one.
func (r *httpRoutes) route(name, namespace string, vs *virtualService, parent parentRef, port uint32) {
	spec := routeSpec{ParentRefs: []parentRef{parent}}
	if parent.Kind == "Gateway" {
		for _, h := range vs.spec.GetHosts() {
			if h != "*" { // which no hostnames stand for
				spec.Hostnames = append(spec.Hostnames, h)
			}
		}
	}
	for _, route := range vs.spec.GetHttp() {
		rule := routeRule{Filters: filters(route.GetHeaders())}
		for _, m := range route.GetMatch() {
			rule.Matches = append(rule.Matches, r.match(name, route.GetName(), m))
		}
		for _, d := range route.GetRoute() {
			rule.BackendRefs = append(rule.BackendRefs, r.backend(namespace, d, port, len(route.GetRoute()) > 1))
		}
		spec.Rules = append(spec.Rules, rule)
	}
	r.checkOrder(name, vs, spec.Rules)
	tree := manifest.Encode(spec)
	for i, route := range vs.spec.GetHttp() {
		tree.Comment(strings.TrimSuffix(route.GetName()+": "+vs.why[i], ": "), "rules", i)
	}
	r.add("HTTPRoute", name, namespace, vs.comment, tree)
}

// backend returns where a destination leads: to the Service of its lane.
func (r *httpRoutes) backend(from string, d *networking.HTTPRouteDestination, port uint32, weighted bool) backendRef {
	s := hostName(d.GetDestination().GetHost())
	ports := r.services[s].ports
	b := backendRef{
		Name:    laneService(s, d.GetDestination().GetSubset()),
		Port:    cmp.Or(port, d.GetDestination().GetPort().GetNumber(), ports[0].Port),
		Filters: filters(d.GetHeaders()),
	}
	if weighted {
		b.Weight = &d.Weight
	}
	if s.Namespace != from {
		b.Namespace = s.Namespace
		if r.granted == nil {
			r.granted = map[string]map[string]bool{}
		}
		if r.granted[s.Namespace] == nil {
			r.granted[s.Namespace] = map[string]bool{}
		}
		r.granted[s.Namespace][from] = true
	}
	return b
}

// filters returns what sets headers.
func filters(h *networking.Headers) []routeFilter {
	var set []valueMatch
	for _, name := range slices.Sorted(maps.Keys(h.GetRequest().GetSet())) {
		set = append(set, valueMatch{Name: name, Value: h.GetRequest().GetSet()[name]})
	}
	if set == nil {
		return nil
	}
	return []routeFilter{{"RequestHeaderModifier", headerModifier{set}}}
}

// grants makes what allows HTTPRoutes to lead to Services of other namespaces.
func (r *httpRoutes) grants() {
	type reference struct {
		Group     string `yaml:"group"`
		Kind      string `yaml:"kind"`
		Namespace string `yaml:"namespace,omitempty"`
	}
	for _, to := range slices.Sorted(maps.Keys(r.granted)) {
		var from []reference
		for _, namespace := range slices.Sorted(maps.Keys(r.granted[to])) {
			from = append(from, reference{gatewayGroup, "HTTPRoute", namespace})
		}
		r.add("ReferenceGrant", r.Name, to, "HTTPRoutes of other namespaces may lead to Services of this one.", manifest.Encode(struct {
			From []reference `yaml:"from"`
			To   []reference `yaml:"to"`
		}{from, []reference{{Kind: "Service"}}}))
		r.objects[len(r.objects)-1].APIVersion = gatewayGroup + "/v1beta1"
	}
}

// gatewaySpec returns a Gateway with HTTP alone, open to routes of every namespace.
func gatewaySpec() any {
	type namespaces struct {
		From string `yaml:"from"`
	}
	type allowed struct {
		Namespaces namespaces `yaml:"namespaces"`
	}
	type listener struct {
		Name     string  `yaml:"name"`
		Port     int     `yaml:"port"`
		Protocol string  `yaml:"protocol"`
		Allowed  allowed `yaml:"allowedRoutes"`
	}
	return struct {
		Class     string     `yaml:"gatewayClassName"`
		Listeners []listener `yaml:"listeners"`
	}{"istio", []listener{{"http", 80, "HTTP", allowed{namespaces{"All"}}}}}
}
