package lint

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/lint"
)

// tagprocServices returns the Services that ext_proc filters ask, with the port.
func (m *model) tagprocServices() (found []askedService) {
	for _, f := range m.asking() {
		o := parseOutbound(f.Cluster())
		if o == nil {
			continue
		}
		number, err := strconv.Atoi(o.port)
		s := m.service(o.host)
		if err != nil || s == nil {
			continue
		}
		if p, at := s.port(number); p != nil {
			found = append(found, askedService{s, p, at})
		}
	}
	return found
}

type askedService struct {
	*service
	port *servicePort
	at   place
}

// serviceProtocol finds a port of tagproc's Service on which Istio does not speak
// HTTP/2.
func serviceProtocol(m *model, found found) {
	for _, s := range m.tagprocServices() {
		if p := s.port.protocol(); p != "grpc" && p != "http2" {
			found(s.at, "Istio takes HTTP/2 from the port's name or appProtocol, and this says neither: gRPC does not arrive", "name the port grpc, or set appProtocol: grpc")
		}
	}
}

// listenAddress finds a tagproc that does not listen where the filter asks.
func listenAddress(m *model, found found) {
	for _, c := range m.askedClusters() {
		if socket := socketOf(c); socket != "" {
			m.reportSocket(socket, found)
		}
	}
	for _, s := range m.tagprocServices() {
		for _, w := range m.selected(s.service) {
			for _, t := range m.servers() {
				if t.pod == w && !t.listensAt(s.port) {
					found(t.argument("listen"), fmt.Sprintf("%s leads to port %s of the pod, and tagproc listens at %s: nobody answers", id(s.doc), s.port.target(), list(t.listens())),
						"add --listen=:"+s.port.target())
				}
			}
		}
	}
}

// reportSocket finds the pods of the gateway in which no tagproc has the socket.
func (m *model) reportSocket(socket string, found found) {
	for _, w := range m.gatewayPods() {
		servers := slices.DeleteFunc(m.servers(), func(s server) bool { return s.pod != w })
		if len(servers) == 0 {
			found(w.in("spec", "containers"), fmt.Sprintf("the gateway asks at the socket %s, and no container of its pods runs tagproc serve", socket), "add tagproc beside istio-proxy")
		}
		for _, s := range servers {
			if !slices.Contains(s.listens(), "unix://"+socket) {
				found(s.argument("listen"), fmt.Sprintf("the gateway asks at the socket %s, and tagproc listens at %s: nobody answers", socket, list(s.listens())),
					"add --listen=unix://"+socket)
			}
		}
	}
}

// target returns the port of the pod, as it is written.
func (p *servicePort) target() string {
	if p.TargetPort != "" {
		return p.TargetPort
	}
	return strconv.Itoa(p.Port)
}

// listensAt reports whether other pods reach tagproc at the target of a port.
func (s server) listensAt(p *servicePort) bool {
	want := s.port(p.target())
	return slices.ContainsFunc(s.listens(), func(a string) bool {
		host, port, err := net.SplitHostPort(a)
		return err == nil && !isLoopback(host) && port == strconv.Itoa(want)
	})
}

// socketMount finds a socket that tagproc and Envoy do not share.
func socketMount(m *model, found found) {
	for _, c := range m.askedClusters() {
		socket := socketOf(c)
		if socket == "" {
			continue
		}
		for _, s := range m.servers() {
			if !slices.Contains(s.listens(), "unix://"+socket) {
				continue
			}
			volume, rest := s.shared(socket)
			if volume == "" {
				found(s.argument("listen"), fmt.Sprintf("no volume is mounted at %s, so the socket is in this container alone", path.Dir(socket)),
					"mount an emptyDir there, in istio-proxy too")
				continue
			}
			proxy := s.pod.proxy()
			if proxy == nil {
				found(s.at, fmt.Sprintf("the pod does not name the container istio-proxy, so Envoy does not have the volume %s with the socket", volume),
					"add a container istio-proxy, with image auto and this mount: the injection fills in the rest")
				continue
			}
			if other, otherRest := proxy.shared(socket); other != volume || otherRest != rest {
				found(proxy.at.in("volumeMounts"), fmt.Sprintf("istio-proxy does not have the volume %s at %s, where tagproc has its socket: nobody is reached", volume, path.Dir(socket)),
					"mount it there")
			}
		}
	}
}

// shared returns the volume that a file of the container is in, and where in it.
func (c *container) shared(file string) (volume, rest string) {
	i := c.mountOf(file)
	if i < 0 {
		return "", ""
	}
	m := c.Mounts[i]
	return m.Name, path.Join(m.SubPath, strings.TrimPrefix(file, path.Clean(m.Path)))
}

// serveLimits finds a tagproc that takes requests over the limits of the gateway.
func serveLimits(m *model, found found) {
	m.compareLimits(func(at place, flag string, serve int, l lint.Limit) {
		if serve > l.Value {
			found(at, fmt.Sprintf("--%s %d is above the gateway's %d (%s): a tag takes requests over it, and Envoy answers 500", flag, serve, l.Value, l.At.Problem(0, "", "").Place()),
				fmt.Sprintf("write --%s=%d, or raise the gateway's", flag, l.Value))
		}
	})
}

// lowServeLimits finds a tagproc that leaves requests untagged which the gateway
// would take.
func lowServeLimits(m *model, found found) {
	m.compareLimits(func(at place, flag string, serve int, l lint.Limit) {
		if serve < l.Value {
			found(at, fmt.Sprintf("--%s %d is below the gateway's %d (%s): requests with as many headers go on untagged without need", flag, serve, l.Value, l.At.Problem(0, "", "").Place()),
				fmt.Sprintf("write --%s=%d", flag, l.Value))
		}
	})
}

// compareLimits calls f for each limit of each tagproc, with the gateways'.
func (m *model) compareLimits(f func(at place, flag string, serve int, l lint.Limit)) {
	for _, side := range m.judged.Sides {
		if len(side.Filters) == 0 {
			continue
		}
		count, kb := side.Limits()
		for _, s := range m.servers() {
			for _, x := range []struct {
				flag      string
				otherwise int
				limit     lint.Limit
			}{{"max-request-headers", contract.DefaultMaxHeaders, count}, {"max-request-headers-kb", contract.DefaultMaxHeaderKB, kb}} {
				if n, err := strconv.Atoi(s.flag(x.flag, strconv.Itoa(x.otherwise))); err == nil {
					f(s.argument(x.flag), x.flag, n, x.limit)
				}
			}
		}
	}
}

// metadata finds a filter that drops what serve --metadata says.
func metadata(m *model, found found) {
	for _, s := range m.servers() {
		for _, f := range m.asking() {
			if s.set("metadata") && !slices.Contains(f.GetMetadataOptions().GetReceivingNamespaces().GetUntyped(), contract.MetadataNamespace) {
				found(wholeOf(f.Config.Get("metadata_options")), fmt.Sprintf("tagproc sends metadata (--metadata at %s), and Envoy drops it", s.argument("metadata")),
					"add metadata_options: {receiving_namespaces: {untyped: [tagproc]}}")
			}
		}
	}
}
