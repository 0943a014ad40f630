package control

import (
	"cmp"

	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
)

// watched returns an object of the Gateway API in the version that the control plane
// watches: an API server gives it in any.
func watched(o runtime.Object) runtime.Object {
	const v1, v1beta1 = gatewayv1.GroupName + "/v1", gatewayv1.GroupName + "/v1beta1"
	switch o := o.(type) {
	case *gatewayv1beta1.Gateway:
		out := gatewayv1.Gateway(*o)
		out.APIVersion = v1
		return &out
	case *gatewayv1beta1.GatewayClass:
		out := gatewayv1.GatewayClass(*o)
		out.APIVersion = v1
		return &out
	case *gatewayv1beta1.HTTPRoute:
		out := gatewayv1.HTTPRoute(*o)
		out.APIVersion = v1
		return &out
	case *gatewayv1.ReferenceGrant:
		out := gatewayv1beta1.ReferenceGrant(*o)
		out.APIVersion = v1beta1
		return &out
	}
	return o
}

// setDefaults gives an object of the Gateway API what an API server does by its CRD: the
// control plane relies on it.
func setDefaults(o runtime.Object) {
	switch o := o.(type) {
	case *gatewayv1.Gateway:
		for i := range o.Spec.Listeners {
			l := &o.Spec.Listeners[i]
			l.AllowedRoutes = or(l.AllowedRoutes, gatewayv1.AllowedRoutes{})
			l.AllowedRoutes.Namespaces = or(l.AllowedRoutes.Namespaces, gatewayv1.RouteNamespaces{})
			l.AllowedRoutes.Namespaces.From = or(l.AllowedRoutes.Namespaces.From, gatewayv1.NamespacesFromSame)
			if l.TLS != nil {
				l.TLS.Mode = or(l.TLS.Mode, gatewayv1.TLSModeTerminate)
			}
		}
	case *gatewayv1.HTTPRoute:
		parents(o.Spec.ParentRefs)
		if len(o.Spec.Rules) == 0 {
			o.Spec.Rules = []gatewayv1.HTTPRouteRule{{}}
		}
		for i := range o.Spec.Rules {
			httpRule(&o.Spec.Rules[i])
		}
	case *gatewayv1.GRPCRoute:
		parents(o.Spec.ParentRefs)
		for i := range o.Spec.Rules {
			grpcRule(&o.Spec.Rules[i])
		}
	}
}

// or returns p, or the default where it is nil.
func or[T any](p *T, otherwise T) *T { return cmp.Or(p, &otherwise) }

func parents(refs []gatewayv1.ParentReference) {
	for i := range refs {
		refs[i].Group = or(refs[i].Group, gatewayv1.Group(gatewayv1.GroupName))
		refs[i].Kind = or(refs[i].Kind, "Gateway")
	}
}

func backend(r *gatewayv1.BackendRef) {
	r.Group, r.Kind, r.Weight = or(r.Group, ""), or(r.Kind, "Service"), or(r.Weight, 1)
}

func httpRule(r *gatewayv1.HTTPRouteRule) {
	if len(r.Matches) == 0 {
		r.Matches = []gatewayv1.HTTPRouteMatch{{}}
	}
	for i := range r.Matches {
		m := &r.Matches[i]
		m.Path = or(m.Path, gatewayv1.HTTPPathMatch{})
		m.Path.Type, m.Path.Value = or(m.Path.Type, gatewayv1.PathMatchPathPrefix), or(m.Path.Value, "/")
		for j := range m.Headers {
			m.Headers[j].Type = or(m.Headers[j].Type, gatewayv1.HeaderMatchExact)
		}
		for j := range m.QueryParams {
			m.QueryParams[j].Type = or(m.QueryParams[j].Type, gatewayv1.QueryParamMatchExact)
		}
	}
	for i := range r.BackendRefs {
		backend(&r.BackendRefs[i].BackendRef)
	}
	for i := range r.Filters {
		if redirect := r.Filters[i].RequestRedirect; redirect != nil {
			redirect.StatusCode = or(redirect.StatusCode, 302)
		}
	}
}

func grpcRule(r *gatewayv1.GRPCRouteRule) {
	for i := range r.Matches {
		m := &r.Matches[i]
		if m.Method != nil {
			m.Method.Type = or(m.Method.Type, gatewayv1.GRPCMethodMatchExact)
		}
		for j := range m.Headers {
			m.Headers[j].Type = or(m.Headers[j].Type, gatewayv1.GRPCHeaderMatchExact)
		}
	}
	for i := range r.BackendRefs {
		backend(&r.BackendRefs[i].BackendRef)
	}
}
