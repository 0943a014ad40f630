package envoyfilter

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/tagproc/tagproc/istio/manifest"
)

// An Endpoint is where something listens, for an Envoy that no control plane configures:
// a Unix socket, or a port of a host.
type Endpoint struct {
	Socket string // path; "": a port of a host
	Host   string // an IP address, or a name, which may stand for several addresses
	Port   uint16
}

// ParseEndpoint reads HOST:PORT, or unix:///PATH. An IPv6 address stands in brackets.
func ParseEndpoint(s string) (Endpoint, error) {
	if strings.HasPrefix(s, "unix:") {
		a, err := ParseSocket(s)
		return Endpoint{Socket: a.Socket}, err
	}
	if ip, err := netip.ParseAddrPort(s); err == nil && ip.Port() > 0 && ip.Addr().Zone() == "" {
		return Endpoint{Host: ip.Addr().String(), Port: ip.Port()}, nil
	}
	host, portText, _ := strings.Cut(s, ":")
	port, err := strconv.ParseUint(portText, 10, 16)
	last := host[strings.LastIndexByte(host, '.')+1:]
	if err != nil || port == 0 || !manifest.IsName(strings.ToLower(host)) || strings.Trim(last, "0123456789") == "" {
		return Endpoint{}, fmt.Errorf("%q: expected HOST:PORT, as in 127.0.0.1:8080, [::1]:8080 or app.example:8080, or unix:///PATH", s)
	}
	return Endpoint{Host: host, Port: uint16(port)}, nil
}

// IsName reports whether the host is a name, which may stand for several addresses.
func (e Endpoint) IsName() bool {
	_, err := netip.ParseAddr(e.Host)
	return e.Socket == "" && err != nil
}

// String returns what ParseEndpoint reads.
func (e Endpoint) String() string {
	switch {
	case e.Socket != "":
		return "unix://" + e.Socket
	case strings.Contains(e.Host, ":"):
		return fmt.Sprintf("[%s]:%d", e.Host, e.Port)
	}
	return fmt.Sprintf("%s:%d", e.Host, e.Port)
}

// Address returns e as Envoy has it.
func (e Endpoint) Address() *corev3.Address {
	if e.Socket != "" {
		return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: e.Socket}}}
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       e.Host,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(e.Port)},
	}}}
}
