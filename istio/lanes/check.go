package lanes

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// The most that a group may have. More would make files that nobody reads.
const (
	maxLanes    = 100
	maxServices = 1000
	maxRules    = 10_000
	maxPort     = 65535
	maxWeight   = 1_000_000
	maxRegex    = 1024 // bytes; Istio's webhook refuses more
)

// The kinds of problems that lane groups have, beside those of rules.
const (
	KindGroup          source.Kind = "lane-group"      // no group, or one that is there twice
	KindUnknownLane    source.Kind = "unknown-lane"    // a lane that the group does not have
	KindUnknownService source.Kind = "unknown-service" // a service that the group does not have
	KindMissingService source.Kind = "missing-service" // a service that a lane must have and does not
	KindLabels         source.Kind = "labels"          // labels that select no pods, or those of two lanes
	KindHost           source.Kind = "host"            // a host that is malformed
	KindPort           source.Kind = "port"            // a port that is not known, or that the service has not
	KindMatch          source.Kind = "match"           // a condition that a VirtualService cannot have
	KindWeight         source.Kind = "weight"          // weights that are all 0
	KindTag            source.Kind = "unknown-tag"     // warning: a tag of the rules that names no lane
	KindNamed          source.Kind = "named-twice"     // warning: a user whom the rules name for another lane
	KindNoEffect       source.Kind = "no-effect"       // warning: something that changes nothing
)

var (
	dnsHost = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(\*|(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$`)
	})
	headerToken = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]{1,256}$") })
)

// A checker makes a Group of a draft.
type checker struct {
	*reader

	d        *draft
	g        *Group
	ports    map[Service][]uint32 // of the services whose manifests are known
	requests map[string]text      // which rule takes them: a host and a match
}

// check returns the group that d is, or nil after reporting what is wrong with it.
func (r *reader) check(d *draft, ports map[Service][]uint32) *Group {
	before := r.Errors()
	c := &checker{reader: r, d: d, ports: ports, requests: map[string]text{}, g: &Group{
		Name: d.name.v, Strict: d.strict, Gateway: d.gateway,
		RouteHeader: strings.ToLower(d.routeHeader.v), TraceHeader: strings.ToLower(d.traceHeader.v),
	}}
	c.name(d.name, "the lane group", manifest.IsName)
	c.headers()
	c.gateway()
	c.services()
	c.lanes()
	if r.Errors() > before || len(c.g.Services) == 0 || len(c.g.Lanes) == 0 {
		return nil // references to faulty lanes and services would be reported too
	}
	c.fallbacks()
	c.rules()
	c.weights()
	if r.Errors() > before {
		return nil
	}
	return c.g
}

// name checks a text that becomes a name in Kubernetes.
func (c *checker) name(t text, what string, is func(string) bool) bool {
	switch {
	case !t.set:
		return false // already reported
	case len(t.v) <= 63 && is(t.v): // it becomes the value of a label, too
		return true
	}
	c.error(t.at, rules.KindName, "%s has the name %q; expected at most 63 lower case letters, digits and -, as in Kubernetes", what, source.Shorten(t.v))
	return false
}

func (c *checker) headers() {
	switch {
	case c.d.routeHeader.set:
		if _, err := rules.NewOwned([]string{c.d.routeHeader.v}, nil); err != nil {
			c.error(c.d.routeHeader.at, rules.KindForbiddenHeader, "the route header is a tag header: %v", err)
		}
	case !c.d.strict && c.d.whole:
		c.error(c.d.at, source.KindMissing, "the group %s has no routeHeader: in loose mode a header has to say in which lane a request is", c.d.name.v)
	}
	if c.d.traceHeader.set {
		c.headerName(c.d.traceHeader)
		c.traceNote()
	}
}

// traceNote says what there is instead of ASM's trace headers.
func (c *checker) traceNote() {
	route, trace := c.g.RouteHeader, c.g.TraceHeader
	switch trace {
	case route:
	case "baggage":
		c.note(c.d.traceHeader.at, "traceHeader baggage: ASM carries %s in baggage, and Istio does not: the applications have to forward %s itself, or sidecars restore it (tagproc render propagation); else their calls reach the baseline", route, route)
	default:
		c.note(c.d.traceHeader.at, "traceHeader %s: ASM finds out by it what %s was, and Istio does not: the applications have to forward %s too, or sidecars derive it again (tagproc render recompute); else their calls reach the baseline", trace, route, route)
	}
}

func (r *reader) headerName(t text) {
	if t.set && !headerToken().MatchString(t.v) {
		r.error(t.at, rules.KindHeader, "%q is not a header name", source.Shorten(t.v))
	}
}

func (c *checker) gateway() {
	if g := c.d.gateway; !c.d.gatewayAt.IsZero() && (!manifest.IsDNSLabel(g.Namespace) || !manifest.IsName(g.Name)) {
		c.error(c.d.gatewayAt, rules.KindName, "the gateway is %q; expected the namespace and the name of a Gateway of Istio, such as istio-system/ingressgateway", source.Shorten(strings.TrimSuffix(g.String(), "/")))
	}
}

func (c *checker) services() {
	switch n := len(c.d.services); {
	case n == 0 && c.d.whole:
		c.error(c.d.at, source.KindMissing, "the group %s has no services", c.d.name.v)
	case n > maxServices:
		c.error(c.d.services[maxServices].at, source.KindTooLarge, "the group has %d services; the most is %d", n, maxServices)
		return
	}
	for _, s := range c.d.services {
		switch {
		case !manifest.IsDNSLabel(s.Name) || !manifest.IsDNSLabel(s.Namespace):
			c.error(s.at, rules.KindName, "the service %q has a malformed name; expected lower case letters, digits and - in namespace and name", source.Shorten(s.String()))
		case slices.Contains(c.g.Services, s.Service):
			c.error(s.at, source.KindDuplicateKey, "duplicate service %s", s.Service)
		default:
			c.g.Services = append(c.g.Services, s.Service)
		}
	}
}
