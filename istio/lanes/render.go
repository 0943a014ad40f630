package lanes

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/istio/manifest"
)

const apiVersion = "networking.istio.io/v1"

// The label of what is made here.
const (
	managedBy = "app.kubernetes.io/managed-by"
	tagproc   = "tagproc"
)

// Options are what Render needs beside the group.
type Options struct {
	// GatewaySelector has the labels of the gateway's pods. With it, the Gateway
	// is rendered too; without, it is there already.
	GatewaySelector map[string]string
}

// Render returns the resources of Istio that make the group's lanes: for each
// service a DestinationRule with a subset for each lane that has it, and a
// VirtualService inside the mesh; and the VirtualServices of the gateway. Equal
// groups give equal objects.
func Render(g *Group, o Options) []*manifest.Object {
	var objects []*manifest.Object
	if len(o.GatewaySelector) > 0 && !g.Gateway.IsZero() {
		objects = append(objects, g.gatewayObject(o))
	}
	for _, s := range g.Services {
		objects = append(objects, g.destinationRule(s), g.meshVirtualService(s).object(g))
	}
	for _, vs := range g.gatewayVirtualServices() {
		objects = append(objects, vs.object(g))
	}
	return objects
}

func (g *Group) labels() map[string]string {
	return map[string]string{managedBy: tagproc, "app.kubernetes.io/part-of": g.Name}
}

func (g *Group) gatewayObject(o Options) *manifest.Object {
	hosts := g.hosts()
	if len(hosts) == 0 {
		hosts = []string{"*"}
	}
	return &manifest.Object{
		APIVersion: apiVersion, Kind: "Gateway", Name: g.Gateway.Name, Namespace: g.Gateway.Namespace, Labels: g.labels(),
		Comment: "Where requests enter.",
		Spec: manifest.NewTree(&networking.Gateway{
			Selector: o.GatewaySelector,
			Servers: []*networking.Server{{
				Port:  &networking.Port{Number: 80, Name: "http", Protocol: "HTTP"},
				Hosts: hosts,
			}},
		}, false),
	}
}

func (g *Group) destinationRule(s Service) *manifest.Object {
	spec := &networking.DestinationRule{Host: s.Host()}
	for _, l := range g.Lanes {
		if l.Has(s) {
			spec.Subsets = append(spec.Subsets, &networking.Subset{Name: l.Name, Labels: l.labelsOf(s)})
		}
	}
	return &manifest.Object{
		APIVersion: apiVersion, Kind: "DestinationRule", Name: s.Name, Namespace: s.Namespace, Labels: g.labels(),
		Comment: fmt.Sprintf("The pods of %s in each lane of group %s.", s.Name, g.Name),
		Spec:    manifest.NewTree(spec, false),
	}
}

// meshVirtualService returns the VirtualService that calls inside of the mesh
// take. It names no port, so that a call stays on the port that it was made to.
func (g *Group) meshVirtualService(s Service) *virtualService {
	vs := &virtualService{name: s.Name, namespace: s.Namespace}
	vs.spec.Gateways = []string{"mesh"}
	vs.spec.Hosts = []string{s.Host()}
	vs.comment = fmt.Sprintf("Calls to %s inside of the mesh reach the lane that %s names.", s.Name, g.RouteHeader)
	to := func(tag string) []*networking.HTTPRouteDestination {
		return []*networking.HTTPRouteDestination{{Destination: g.destination(s, 0, tag)}}
	}
	if g.Strict {
		vs.comment = fmt.Sprintf("Calls to %s inside of the mesh stay in the lane of the caller.", s.Name)
		for _, l := range g.Lanes {
			vs.add(&networking.HTTPRoute{
				Name:  "from-" + l.Name,
				Match: []*networking.HTTPMatchRequest{{SourceLabels: l.Labels}},
				Route: to(l.Name),
			})
		}
	}
	if g.RouteHeader != "" {
		for _, l := range g.Lanes {
			vs.add(&networking.HTTPRoute{
				Name:  l.Name,
				Match: []*networking.HTTPMatchRequest{{Headers: map[string]*networking.StringMatch{g.RouteHeader: exact(l.Name)}}},
				Route: to(l.Name),
			}, g.whyFallback(s, l.Name))
		}
	}
	why := fmt.Sprintf("no tag, or one that names no lane: lane %s, the baseline", g.Baseline)
	if g.RouteHeader == "" {
		why = fmt.Sprintf("a caller in no lane: lane %s, the baseline", g.Baseline)
	}
	vs.add(&networking.HTTPRoute{Name: "default", Route: to("")}, why, g.whyFallback(s, g.Baseline))
	return vs
}

// A virtualService is a VirtualService with what is said about its routes.
type virtualService struct {
	name      string
	namespace string
	comment   string
	spec      networking.VirtualService
	why       []string // of each route
}

// add adds a route, and why it is there: the reasons that are not "".
func (vs *virtualService) add(route *networking.HTTPRoute, why ...string) {
	vs.spec.Http = append(vs.spec.Http, route)
	vs.why = append(vs.why, strings.Join(slices.DeleteFunc(why, func(s string) bool { return s == "" }), "\n"))
}

func (vs *virtualService) object(g *Group) *manifest.Object {
	spec := manifest.NewTree(&vs.spec, false)
	for i, why := range vs.why {
		if why != "" {
			spec.Comment(why, "http", i)
		}
	}
	return &manifest.Object{
		APIVersion: apiVersion, Kind: "VirtualService", Name: vs.name, Namespace: vs.namespace, Labels: g.labels(),
		Comment: vs.comment, Spec: spec,
	}
}
