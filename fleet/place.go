package fleet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tagproc/tagproc/contract"
)

// unixScheme marks the address of a Unix socket, as serve --admin takes it.
const unixScheme = "unix://"

// A Place is where the admin port of one replica may be.
type Place struct {
	Name    string // as it was asked for: HOST:PORT or unix:///PATH
	Network string // "tcp" or "unix"
	Address string // of a host its address and port, never a name
}

// String returns the address, as it can be asked for.
func (p Place) String() string {
	if p.Network == "unix" {
		return unixScheme + p.Address
	}
	return p.Address
}

// A Target is what a user asks for: an address, a Unix socket, or a name that stands for
// all of its addresses.
type Target struct{ name, network, host, port string }

// ParseTarget reads HOST:PORT, HOST, which has the default port, or unix:///PATH.
func ParseTarget(text string) (Target, error) {
	if path, isUnix := strings.CutPrefix(text, unixScheme); isUnix {
		if !filepath.IsAbs(path) {
			return Target{}, fmt.Errorf("address %q: the path is not absolute: write %s/PATH", text, unixScheme)
		}
		return Target{name: text, network: "unix", host: path}, nil
	}
	if _, err := strconv.ParseUint(text, 10, 16); err == nil {
		return Target{}, fmt.Errorf("address %q is a port; did you mean 127.0.0.1:%s?", text, text)
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil { // no port
		host = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
		if _, port, err = net.SplitHostPort(contract.DefaultAdmin); err != nil {
			return Target{}, err
		}
	}
	_, notAddress := netip.ParseAddr(host)
	_, noPort := strconv.ParseUint(port, 10, 16)
	if host == "" || noPort != nil || strings.ContainsAny(host, "/, ") || notAddress != nil && strings.Contains(host, ":") {
		hint := ""
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			hint = "; did you mean " + u.Host + "?"
		}
		return Target{}, fmt.Errorf("address %q: expected HOST:PORT, HOST or %s/PATH of an admin port%s", text, unixScheme, hint)
	}
	return Target{name: net.JoinHostPort(host, port), network: "tcp", host: host, port: port}, nil
}

// Places returns every address of a target: a name is looked up.
func (t Target) Places(ctx context.Context, lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)) ([]Place, error) {
	if t.network == "unix" {
		return []Place{{Name: t.name, Network: t.network, Address: t.host}}, nil
	}
	if a, err := netip.ParseAddr(t.host); err == nil {
		return []Place{{Name: t.name, Network: t.network, Address: net.JoinHostPort(a.String(), t.port)}}, nil
	}
	addresses, err := lookup(ctx, "ip", t.host)
	if err != nil {
		return nil, err
	}
	var places []Place
	for _, a := range addresses {
		places = append(places, Place{Name: t.name, Network: t.network, Address: net.JoinHostPort(a.Unmap().String(), t.port)})
	}
	return places, nil
}
