package lint

import (
	"strings"

	"github.com/tagproc/tagproc/source"
)

// A service is a Service of Kubernetes.
type service struct {
	place

	host     string            // full
	Selector map[string]string `yaml:"selector"`
	Ports    []servicePort     `yaml:"ports"`
}

type servicePort struct {
	Name        string `yaml:"name"`
	AppProtocol string `yaml:"appProtocol"`
	Port        int    `yaml:"port"`
	TargetPort  string `yaml:"targetPort"`
}

func (m *model) addService(d *source.Document) {
	s := &service{place: place{doc: d}}
	_ = d.Get("spec").Decode(s) // what is not as it should be stays empty
	s.host = d.Name + "." + namespace(d) + clusterDomain
	m.services = append(m.services, s)
}

// service returns the Service of a full host, or nil.
func (m *model) service(host string) *service { return m.index.services[host] }

// selected returns the workloads whose pods are behind a Service.
func (m *model) selected(s *service) (ws []*workload) {
	for _, w := range m.index.pods[namespace(s.doc)] {
		if len(s.Selector) > 0 && contains(w.Metadata.Labels, s.Selector) {
			ws = append(ws, w)
		}
	}
	return ws
}

// port returns the port of a number, and its place.
func (s *service) port(number int) (*servicePort, place) {
	for i := range s.Ports {
		if s.Ports[i].Port == number {
			return &s.Ports[i], s.in("spec", "ports", i)
		}
	}
	return nil, s.in("spec", "ports")
}

// protocol returns the protocol that Istio takes from the port, in lower case, or
// "" where it looks at the bytes.
func (p *servicePort) protocol() string {
	name := p.Name
	if p.AppProtocol != "" {
		name = p.AppProtocol
	}
	name = strings.ToLower(name)
	if name == "kubernetes.io/h2c" {
		return "http2"
	}
	if name == "kubernetes.io/ws" {
		return "http"
	}
	name, _, _ = strings.Cut(name, "-")
	switch name {
	case "http", "http2", "grpc", "https", "tls", "tcp", "udp", "mongo", "mysql", "redis":
		return name
	}
	return ""
}
