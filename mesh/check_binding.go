package mesh

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/source"
)

// isTag reports whether a header is a tag of the rules.
func (l *linter) isTag(name string) bool {
	return slices.ContainsFunc(l.manifests.Rules, func(r *lint.Rules) bool { return r.Table.Owned().Contains(name) })
}

// concern finds the VirtualServices and HTTPRoutes that follow tags, and VirtualServices for
// the same hosts.
func (l *linter) concern() {
	l.concerned = map[*Object]bool{}
	hosts := map[string]bool{}
	for _, o := range l.manifests.Objects {
		if r := httpRoute(o); r != nil && l.routes(r) {
			l.concerned[o] = true
		}
		spec, is := istioSpec[*networking.VirtualService](o)
		if !is || !l.follows(spec) {
			continue
		}
		l.concerned[o] = true
		for _, h := range spec.GetHosts() {
			hosts[fullHost(h, o.Namespace)] = true
		}
	}
	for _, o := range l.manifests.Objects {
		spec, is := istioSpec[*networking.VirtualService](o)
		if is && slices.ContainsFunc(spec.GetHosts(), func(h string) bool { return hosts[fullHost(h, o.Namespace)] }) {
			l.concerned[o] = true
		}
	}
}

// isScoped reports whether a route of a VirtualService is for some callers or gateways alone.
func isScoped(route source.Value) bool {
	return slices.ContainsFunc(route.Get("match").Elements(), func(m source.Value) bool {
		return m.Get("sourceLabels").Exists() || m.Get("sourceNamespace").Exists() || m.Get("gateways").Exists() || m.Get("port").Exists()
	})
}

// follows reports whether a VirtualService matches a tag or sets one.
func (l *linter) follows(spec *networking.VirtualService) bool {
	for _, r := range spec.GetHttp() {
		if l.followsIn(r) {
			return true
		}
		for name := range r.GetHeaders().GetRequest().GetSet() {
			if l.isTag(strings.ToLower(name)) {
				return true
			}
		}
	}
	return false
}

// followsIn reports whether a route of a VirtualService matches a tag.
func (l *linter) followsIn(r *networking.HTTPRoute) bool {
	for _, m := range r.GetMatch() {
		for _, headers := range []map[string]*networking.StringMatch{m.GetHeaders(), m.GetWithoutHeaders()} {
			for name := range headers {
				if l.isTag(strings.ToLower(name)) {
					return true
				}
			}
		}
	}
	return false
}

func fullHost(host, namespace string) string {
	if strings.Contains(host, ".") || strings.Contains(host, "*") {
		return strings.ToLower(host)
	}
	return strings.ToLower(host) + "." + namespace + ".svc.cluster.local"
}

// unapplied finds VirtualServices whose routes no Envoy has where they are bound.
func (l *linter) unapplied() {
	atGateway, inMesh := map[*Object]bool{}, map[*Object]bool{}
	made := map[source.Place]bool{} // of what Envoys have
	sidecars := false
	for _, one := range l.envoys.All {
		sidecars = sidecars || !one.Gateway
		for r := range one.routes {
			o, at := l.madeOf(r)
			made[at.Place()] = true
			if o != nil && one.Gateway {
				atGateway[o] = true
			} else if o != nil {
				inMesh[o] = true
			}
		}
	}
	for _, o := range l.manifests.Objects {
		if r := httpRoute(o); r != nil && l.concerned[o] && !atGateway[o] && !inMesh[o] {
			l.unattached(o, r)
		}
		spec, is := istioSpec[*networking.VirtualService](o)
		if !is || !l.concerned[o] || len(spec.GetHosts()) == 0 || len(spec.GetHttp()) == 0 {
			continue
		}
		l.bound(o, spec, atGateway[o], inMesh[o], sidecars)
		l.leftOut(o, spec, made, atGateway[o] || inMesh[o])
	}
}

// leftOut finds routes by tags that Istio leaves out, since a route for all requests stands
// before them: one without a match, or one beside whose Envoy routes they are missing.
func (l *linter) leftOut(o *Object, spec *networking.VirtualService, made map[source.Place]bool, others bool) {
	behind := false
	for i, r := range spec.GetHttp() {
		at := o.Doc.Get("spec", "http", i)
		gone := behind || others && i > 0 && !made[at.Place()] && !isScoped(at) && r.GetDelegate() == nil
		behind = behind || len(r.GetMatch()) == 0
		if !gone || !l.followsIn(r) {
			continue
		}
		l.partial = true // what follows the tag is named here
		l.found(at, "unreachable-route", "put routes by tags before it", "this route is never reached: Istio leaves it out, since a route before it takes all of its requests")
	}
}

// bound judges one VirtualService by where Envoys have its routes.
func (l *linter) bound(o *Object, spec *networking.VirtualService, atGateway, inMesh, sidecars bool) {
	at := o.Doc.Get("spec", "hosts")
	names := slices.DeleteFunc(slices.Clone(spec.GetGateways()), func(g string) bool { return g == "mesh" })
	mesh := len(names) == len(spec.GetGateways()) && len(names) == 0 || len(names) < len(spec.GetGateways())
	var unknown []string
	for _, name := range names {
		if l.gateway(name, o.Namespace) == nil {
			unknown = append(unknown, name)
		}
	}
	where := o.Doc.Get("spec", "gateways")
	switch {
	case len(unknown) > 0:
		l.found(where, "unknown-gateway", "write it as NAMESPACE/NAME", "there is no Gateway %s: no gateway has these routes", strings.Join(unknown, ", "))
	case len(names) > 0 && !atGateway:
		l.found(at, "gateway-hosts", "let a server of the Gateway have the host, for this namespace, and no older VirtualService all of its paths",
			"no gateway has these routes: %s serves none of the hosts %s of namespace %s", strings.Join(names, ", "), strings.Join(spec.GetHosts(), ", "), o.Namespace)
	}
	switch {
	case !mesh:
	case !sidecars:
		l.elusive("routes of the mesh: the files have no pods with a sidecar")
	case !inMesh && len(names) == 0:
		l.unmeshed(o, spec, at)
	}
}

// unmeshed says why no sidecar has the routes of a VirtualService without gateways.
func (l *linter) unmeshed(o *Object, spec *networking.VirtualService, at source.Value) {
	for _, other := range l.manifests.Objects {
		rival, is := istioSpec[*networking.VirtualService](other)
		if is && other != o && slices.ContainsFunc(rival.GetHosts(), func(h string) bool {
			return slices.ContainsFunc(spec.GetHosts(), func(mine string) bool { return fullHost(h, other.Namespace) == fullHost(mine, o.Namespace) })
		}) {
			l.found(at, "two-virtual-services", "make them one", "no sidecar has these routes: VirtualService %s/%s is for the same host", other.Namespace, other.Name)
			return
		}
	}
	for _, h := range spec.GetHosts() {
		name, namespace, is := splitHost(fullHost(h, o.Namespace))
		if is && !l.showsServices(namespace) {
			l.elusive("whether Service %s is there: the files have none of namespace %s", name, namespace)
			return
		}
		if !is && h != "*" && !l.has("ServiceEntry") && !l.has("Gateway") {
			l.elusive("whether %s is there: the files have no ServiceEntry", h)
			return
		}
		for _, s := range l.envoys.services {
			if s.Name == name && s.Namespace == namespace {
				l.found(at, "not-http", "name the port http, http2 or grpc, or give it an appProtocol", "no sidecar has these routes: no port of Service %s is for HTTP", h)
				return
			}
		}
	}
	l.found(at, "mesh-only", "bind it to a Gateway (gateways), or name the Service that callers ask", "no Envoy has these routes: no Service has the hosts %s, and they are bound to no gateway", strings.Join(spec.GetHosts(), ", "))
}

// gateway returns the Gateway that a VirtualService of a namespace names, or nil.
func (l *linter) gateway(name, namespace string) *Object {
	namespace, name = gatewayOf(name, namespace)
	for _, o := range slices.Concat(l.manifests.Objects, l.envoys.taken) {
		if o.Kind == "Gateway" && o.Namespace == namespace && o.Name == name {
			return o
		}
	}
	return nil
}

// httpRoute returns the HTTPRoute that an object is, or nil.
func httpRoute(o *Object) *gatewayv1.HTTPRoute {
	r, _ := o.Kube.(*gatewayv1.HTTPRoute)
	return r
}

// routes reports whether an HTTPRoute matches a tag or sets one.
func (l *linter) routes(r *gatewayv1.HTTPRoute) bool {
	isTag := func(h gatewayv1.HTTPHeader) bool { return l.isTag(strings.ToLower(string(h.Name))) }
	for _, rule := range r.Spec.Rules {
		for _, m := range rule.Matches {
			if slices.ContainsFunc(m.Headers, func(h gatewayv1.HTTPHeaderMatch) bool { return l.isTag(strings.ToLower(string(h.Name))) }) {
				return true
			}
		}
		if slices.ContainsFunc(rule.Filters, func(f gatewayv1.HTTPRouteFilter) bool {
			return f.RequestHeaderModifier != nil && slices.ContainsFunc(f.RequestHeaderModifier.Set, isTag)
		}) {
			return true
		}
	}
	return false
}

// unattached says why no Envoy has the routes of an HTTPRoute.
func (l *linter) unattached(o *Object, r *gatewayv1.HTTPRoute) {
	var names []string
	for _, p := range r.Spec.ParentRefs {
		name, namespace := string(p.Name), o.Namespace
		if p.Namespace != nil {
			namespace = string(*p.Namespace)
		}
		kind := "Gateway"
		if p.Kind != nil {
			kind = string(*p.Kind)
		}
		parent := l.parent(kind, namespace, name)
		switch {
		case parent == nil:
			l.elusive("where HTTPRoute %s is bound: %s %s/%s is not among the files", o.Name, kind, namespace, name)
			return
		case !l.manifests.translated(parent):
			l.elusive("the routes of HTTPRoute %s: Gateway %s is of class %s, which is not Istio's", o.Name, name, parent.Spec.GatewayClassName)
			return
		case !slices.ContainsFunc(l.envoys.All, func(one *Envoy) bool {
			return one.Gateway && one.Namespace == namespace && one.Labels[gatewayName] == name
		}):
			l.elusive("the routes of HTTPRoute %s: the pods of Gateway %s are not among the files", o.Name, name)
			return
		case namespace != o.Namespace && l.envoys.namespaces[o.Namespace] == nil && choosesNamespaces(parent):
			l.elusive("whether Gateway %s takes routes of namespace %s: the files have no Namespace %[2]s, whose labels decide", name, o.Namespace)
			return
		}
		names = append(names, namespace+"/"+name)
	}
	at := o.Doc.Get("spec", "parentRefs")
	if len(names) == 0 {
		l.found(at, "gateway-hosts", "name its Gateway in parentRefs", "no gateway has these routes: HTTPRoute %s is bound to none", o.Name)
		return
	}
	l.found(at, "gateway-hosts", "let a listener of the Gateway have the host, and take routes of this namespace (allowedRoutes)",
		"no gateway has these routes: %s serves none of the hosts of HTTPRoute %s, or takes no routes of namespace %s", strings.Join(names, ", "), o.Name, o.Namespace)
}

// parent returns the Gateway that an HTTPRoute is bound to, or nil.
func (l *linter) parent(kind, namespace, name string) *gatewayv1.Gateway {
	for _, o := range l.manifests.Objects {
		if g, is := o.Kube.(*gatewayv1.Gateway); is && kind == o.Kind && o.Namespace == namespace && o.Name == name {
			return g
		}
	}
	return nil
}

// choosesNamespaces reports whether the labels of a namespace decide whether its routes are
// taken.
func choosesNamespaces(g *gatewayv1.Gateway) bool {
	return slices.ContainsFunc(g.Spec.Listeners, func(l gatewayv1.Listener) bool {
		return l.AllowedRoutes != nil && l.AllowedRoutes.Namespaces != nil && l.AllowedRoutes.Namespaces.From != nil && *l.AllowedRoutes.Namespaces.From == gatewayv1.NamespacesFromSelector
	})
}
