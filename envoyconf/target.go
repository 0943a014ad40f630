package envoyconf

import (
	"strings"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"

	"github.com/tagproc/tagproc/source"
)

// A Target is where a route sends a request: to one cluster, or, of several, to one by
// chance; or nowhere, where Envoy answers with Status.
type Target struct {
	Clusters []Share
	Status   int    // of a direct response or a redirect; 0: neither
	Open     string // why it cannot be told; "" where it can
}

// A Share is a cluster and the weight with which it is chosen.
type Share struct {
	Cluster string
	Weight  uint32
	At      source.Value // of its name
}

// Target returns where a route sends a request.
func (route *Route) Target(r *Request) Target {
	switch a := route.GetAction().(type) {
	case *routev3.Route_DirectResponse:
		return Target{Status: int(a.DirectResponse.GetStatus())}
	case *routev3.Route_Redirect:
		codes := map[routev3.RedirectAction_RedirectResponseCode]int{
			routev3.RedirectAction_MOVED_PERMANENTLY: 301, routev3.RedirectAction_FOUND: 302, routev3.RedirectAction_SEE_OTHER: 303,
			routev3.RedirectAction_TEMPORARY_REDIRECT: 307, routev3.RedirectAction_PERMANENT_REDIRECT: 308,
		}
		return Target{Status: codes[a.Redirect.GetResponseCode()]}
	case *routev3.Route_Route:
		return route.action(a.Route, r)
	default:
		return Target{Open: "the action of the route is not modelled"}
	}
}

func (route *Route) action(a *routev3.RouteAction, r *Request) Target {
	at := route.At("route")
	switch s := a.GetClusterSpecifier().(type) {
	case *routev3.RouteAction_Cluster:
		return Target{Clusters: []Share{{s.Cluster, 1, get(at, "cluster")}}}
	case *routev3.RouteAction_ClusterHeader:
		return named(s.ClusterHeader, r, get(at, "cluster_header"))
	case *routev3.RouteAction_WeightedClusters:
		t := Target{}
		for i, w := range s.WeightedClusters.GetClusters() {
			weight, name := w.GetWeight().GetValue(), get(at, "weighted_clusters", "clusters", i, "name")
			switch {
			case weight == 0:
			case w.GetName() == "":
				by := named(w.GetClusterHeader(), r, name)
				for _, c := range by.Clusters {
					t.Clusters = append(t.Clusters, Share{c.Cluster, weight, name})
				}
				t.Open = by.Open
			default:
				t.Clusters = append(t.Clusters, Share{w.GetName(), weight, name})
			}
		}
		return t
	default:
		return Target{Open: "a plug-in chooses the cluster"}
	}
}

// named returns the cluster that a header of the request names.
func named(header string, r *Request, at source.Value) Target {
	values, open := r.values(lower(header))
	switch {
	case open != "":
		return Target{Open: open}
	case len(values) == 0:
		return Target{Status: 503}
	}
	return Target{Clusters: []Share{{values[0], 1, at}}}
}

// Sent returns the request as the route of r sends it on: with the headers that the
// route, its virtual host and its route configuration add, and without those that they
// remove.
func (r *Result) Sent() *Request {
	sent := r.Request.with()
	if r.Route == nil {
		return sent
	}
	for _, level := range []interface {
		GetRequestHeadersToAdd() []*corev3.HeaderValueOption
		GetRequestHeadersToRemove() []string
	}{r.Route.Route, r.Host.VirtualHost, r.Chain.HTTP.Routes.RouteConfiguration} {
		for _, name := range level.GetRequestHeadersToRemove() {
			sent.Remove(lower(name))
		}
		for _, o := range level.GetRequestHeadersToAdd() {
			sent.add(o)
		}
	}
	return sent
}

// add changes a header as one of Envoy's options says.
func (r *Request) add(o *corev3.HeaderValueOption) {
	name, value := lower(o.GetHeader().GetKey()), o.GetHeader().GetValue()
	values, _ := r.values(name)
	present := len(values) > 0
	action := o.GetAppendAction()
	if a := o.GetAppend(); a != nil && !a.GetValue() { //nolint:staticcheck // of configurations that have it
		action = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
	}
	switch action {
	case corev3.HeaderValueOption_ADD_IF_ABSENT:
		if present {
			return
		}
	case corev3.HeaderValueOption_OVERWRITE_IF_EXISTS:
		if !present {
			return
		}
		r.Remove(name)
	case corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD:
		r.Remove(name)
	}
	if strings.Contains(value, "%") {
		r.Open[name] = "the value of " + name + " is made by the format " + value
		return
	}
	r.Headers = append(r.Headers, Header{name, value})
}

// early changes r as the connection manager does before any route is chosen, and returns
// what it cannot tell.
func (m *Manager) early(r *Request) (doubts []string) {
	for _, e := range m.GetEarlyHeaderMutationExtensions() {
		mutations := &earlyv3.HeaderMutation{}
		if e.GetTypedConfig().UnmarshalTo(mutations) != nil {
			doubts = append(doubts, "the early header mutation "+e.GetName()+" is of a type that is not known here")
			continue
		}
		for _, mutation := range mutations.GetMutations() {
			if why := r.mutate(mutation); why != "" {
				doubts = append(doubts, why)
			}
		}
	}
	return doubts
}

// mutate changes r as a mutation says, and returns why it cannot tell.
func (r *Request) mutate(m *mutationv3.HeaderMutation) string {
	switch a := m.GetAction().(type) {
	case *mutationv3.HeaderMutation_Remove:
		r.Remove(lower(a.Remove))
	case *mutationv3.HeaderMutation_Append:
		r.add(a.Append)
	case *mutationv3.HeaderMutation_RemoveOnMatch_:
		for _, h := range append([]Header(nil), r.Headers...) {
			switch v := text(h.Name, h.Name, a.RemoveOnMatch.GetKeyMatcher()); v.Answer {
			case Yes:
				r.Remove(h.Name)
			case Maybe:
				return v.Why
			}
		}
	default:
		return "a header mutation is not modelled"
	}
	return ""
}
