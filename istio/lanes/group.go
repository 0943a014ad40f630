package lanes

import (
	"slices"

	networking "istio.io/api/networking/v1alpha3"
)

// A Group is services whose lanes belong together, and the rules by which
// requests enter the lanes. Read makes Groups that hold what is said here.
type Group struct {
	Name        string
	Strict      bool    // each lane has each service; without it, what a lane lacks falls back
	RouteHeader string  // in lower case; its value names the lane of a request. "" in strict mode only
	TraceHeader string  // how the applications carry a request's lane along; "" or RouteHeader: as it is
	Gateway     Gateway // through which requests enter; zero: none that is known
	Services    []Service
	Lanes       []Lane // at least one

	// Baseline is the lane of requests without a tag, or with one that names no
	// lane, and what lanes fall back to.
	Baseline string

	// Fallback is the lane, by service, that is fallen back to instead of
	// Baseline. It has the service, or else Baseline has.
	Fallback map[Service]string

	Rules    []IngressRule // in the order of their lanes
	Weighted *WeightedRule // instead of Rules: the share of each lane
}

// A Gateway is the name of a Gateway of Istio.
type Gateway struct{ Namespace, Name string }

// IsZero reports whether no gateway is known.
func (g Gateway) IsZero() bool { return g == Gateway{} }

// String returns "namespace/name", as a VirtualService refers to it.
func (g Gateway) String() string { return g.Namespace + "/" + g.Name }

// A Service is the name of a Service of Kubernetes.
type Service struct{ Namespace, Name string }

// String returns "namespace/name".
func (s Service) String() string { return s.Namespace + "/" + s.Name }

// Host returns the service's name in DNS.
func (s Service) Host() string { return s.Name + "." + s.Namespace + ".svc.cluster.local" }

// A Lane is one version of some services of its group.
type Lane struct {
	Name     string            // also the name of its subsets, and the tag that names it
	Labels   map[string]string // of its pods
	Services []Service         // those that it has, in the order of the group

	// ServiceLabels has the labels of pods by service, if they differ from Labels. It is
	// empty in strict mode.
	ServiceLabels map[Service]map[string]string
}

// Has reports whether the lane has the service.
func (l *Lane) Has(s Service) bool { return slices.Contains(l.Services, s) }

// labelsOf returns the labels of the service's pods in the lane.
func (l *Lane) labelsOf(s Service) map[string]string {
	if labels, own := l.ServiceLabels[s]; own {
		return labels
	}
	return l.Labels
}

// An IngressRule says which requests at the gateway enter a lane, and where.
type IngressRule struct {
	Name    string // for people, and for access logs
	Lane    string
	Hosts   []string                       // at least one
	Matches []*networking.HTTPMatchRequest // any of them; none: every request
	Service Service
	Port    uint32 // of the service; 0: the only one that it has
	Offline bool   // the rule is not in force
}

// A WeightedRule spreads requests at the gateway over the lanes, by chance.
type WeightedRule struct {
	Hosts   []string                       // at least one
	Matches []*networking.HTTPMatchRequest // any of them; none: every request
	Shares  []Share
}

// A Share is what a lane gets of the requests of a WeightedRule.
type Share struct {
	Lane    string
	Service Service
	Port    uint32 // of the service; 0: the only one that it has
	Weight  int32  // in proportion to the others, or percent where they are 100 together
}

// Lane returns the lane with a name, or nil.
func (g *Group) Lane(name string) *Lane {
	i := slices.IndexFunc(g.Lanes, func(l Lane) bool { return l.Name == name })
	if i < 0 {
		return nil
	}
	return &g.Lanes[i]
}

// Target returns the lane whose pods of s answer a request with the tag: the lane
// of that name if it has s, else what is fallen back to. Without a tag, "", and
// with one that names no lane, it is the baseline.
func (g *Group) Target(s Service, tag string) string {
	named := g.Lane(tag)
	if named != nil && named.Has(s) {
		return tag
	}
	fallback, own := g.Fallback[s]
	if own && (named != nil || !g.Lane(g.Baseline).Has(s)) {
		return fallback
	}
	return g.Baseline
}
