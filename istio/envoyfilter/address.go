package envoyfilter

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/tagproc/tagproc/istio/manifest"
)

// An Address is where Envoy reaches tagproc: a Unix socket or a Service.
type Address struct {
	Socket  string // path; "": a Service
	Service string // fully qualified; "": a socket
	Port    uint16 // of the Service
}

// clusterDomain is the domain that Istio appends to short names by default.
const clusterDomain = "cluster.local"

// ParseAddress reads unix:///PATH, or SERVICE.NAMESPACE:PORT. A cluster whose
// domain is not cluster.local has SERVICE.NAMESPACE.svc.DOMAIN:PORT.
func ParseAddress(s string) (Address, error) {
	if strings.HasPrefix(s, "unix://") {
		return ParseSocket(s)
	}
	host, portText, _ := strings.Cut(s, ":")
	port, err := strconv.ParseUint(portText, 10, 16)
	labels := strings.Split(host, ".")
	if len(labels) == 2 {
		labels = append(labels, "svc", clusterDomain)
		host = strings.Join(labels, ".")
	}
	if err != nil || port == 0 || !manifest.IsName(host) || len(labels) < 4 || labels[2] != "svc" {
		return Address{}, fmt.Errorf("%q: expected unix:///PATH, or SERVICE.NAMESPACE:PORT with the port of a Service, as in tagproc.istio-system:9002", s)
	}
	return Address{Service: host, Port: uint16(port)}, nil
}

// ParseSocket reads unix:///PATH.
func ParseSocket(s string) (Address, error) {
	const maxSocket = 107 // bytes, of sockaddr_un on Linux
	socket, ok := strings.CutPrefix(s, "unix://")
	switch {
	case !ok || !path.IsAbs(socket) || path.Clean(socket) != socket || socket == "/":
		return Address{}, fmt.Errorf("%q: expected unix:// and an absolute path, as in unix:///run/tagproc/tagproc.sock", s)
	case len(socket) > maxSocket:
		return Address{}, fmt.Errorf("%q: expected a path of at most %d bytes, Linux's limit for a socket", s, maxSocket)
	}
	return Address{Socket: socket}, nil
}

// ServiceCluster is Istio's name for the cluster of a Service's port.
func (a Address) ServiceCluster() string { return fmt.Sprintf("outbound|%d||%s", a.Port, a.Service) }

// Namespace is that of the Service.
func (a Address) Namespace() string { return strings.Split(a.Service, ".")[1] }
