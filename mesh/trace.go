package mesh

import (
	"fmt"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/trace"
)

// Gateway is the name by which From returns the only gateway.
const Gateway = "gateway"

// From returns the Envoy of a name: "gateway", "NAMESPACE/NAME", or the name of a workload
// or of an application where only one has it.
func (e *Envoys) From(name string) (*Envoy, error) {
	var found []*Envoy
	for _, by := range []func(one *Envoy) bool{
		func(one *Envoy) bool { return one.String() == name },
		func(one *Envoy) bool { return one.Name == name },
		func(one *Envoy) bool { return one.App() == name },
		func(one *Envoy) bool { return name == Gateway && one.Gateway },
	} {
		for _, one := range e.All {
			if by(one) {
				found = append(found, one)
			}
		}
		if len(found) > 0 {
			break
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	names := e.names(e.All)
	if len(found) > 1 {
		return nil, fmt.Errorf("%q is several Envoys; expected one of %s", name, e.names(found))
	}
	if w := e.bare(name); w != nil {
		_, why := w.injected(e.namespaces)
		return nil, fmt.Errorf("the pods of %s have no Envoy: %s", w, why)
	}
	if names == "" {
		return nil, fmt.Errorf("there is no Envoy %q: the manifests have no Gateway and no pods with a sidecar", name)
	}
	return nil, fmt.Errorf("there is no Envoy %q; expected one of %s", name, names)
}

// bare returns the workload without an Envoy that has a name, or nil.
func (e *Envoys) bare(name string) *Workload {
	for _, w := range e.Workloads {
		if !w.Proxy && slices.Contains([]string{w.String(), w.Name, w.App()}, name) {
			return w
		}
	}
	return nil
}

func (e *Envoys) names(of []*Envoy) string {
	var names []string
	for _, one := range of {
		names = append(names, one.String())
	}
	return strings.Join(names, ", ")
}

// Stop returns the Envoy as a stop of trace, at the listener that a request comes to.
func (one *Envoy) Stop(r envoyconf.Request) (trace.Stop, error) {
	s := trace.Stop{Name: one.String(), Config: one.Config}
	best := -1
	for _, l := range one.Config.Listeners {
		if l.GetTrafficDirection() == corev3.TrafficDirection_INBOUND || !hasHTTP(l) {
			continue
		}
		if rank := one.fits(l, r); rank > best {
			s.Listener, best = l, rank
		}
	}
	if s.Listener == nil {
		return s, fmt.Errorf("the Envoy of %s has no listener for HTTP that takes a request for %q", one, r.Authority)
	}
	return s, nil
}

func hasHTTP(l *envoyconf.Listener) bool {
	return slices.ContainsFunc(l.Chains, func(c *envoyconf.Chain) bool { return c.HTTP != nil })
}

// fits says how well a listener is one for a request; below 0: not at all. The port of the
// host decides, or else which routes have the host.
func (one *Envoy) fits(l *envoyconf.Listener, r envoyconf.Request) (rank int) {
	port := fmt.Sprint(l.GetAddress().GetSocketAddress().GetPortValue())
	if _, asked, has := strings.Cut(r.Authority, ":"); has && !one.Gateway {
		if asked != port {
			return -1
		}
		rank += 8
	} else if has && asked == port {
		rank += 8
	}
	isTLS := false
	for _, c := range l.Chains {
		if c.HTTP == nil {
			continue
		}
		isTLS = isTLS || c.GetTransportSocket() != nil || c.At("transport_socket").Exists()
		if c.HTTP.Routes == nil {
			continue
		}
		if h, domain := c.HTTP.Routes.Host(r.Authority); h != nil && domain != "*" {
			rank = max(rank, rank|4)
		} else if h != nil && one.Gateway {
			rank |= 2
		}
	}
	if isTLS == (r.Scheme == "https") {
		rank |= 1
	}
	return rank
}

// Trace returns the way of a request through the Envoy.
func (one *Envoy) Trace(t *rules.Table, r envoyconf.Request) (*trace.Way, error) {
	s, err := one.Stop(r)
	if err != nil {
		return nil, err
	}
	return trace.Run([]trace.Stop{s}, t, r), nil
}
