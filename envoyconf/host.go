package envoyconf

import (
	"strings"
)

// A domain is how a host is found, in Envoy's order.
type domain uint8

const (
	exact domain = iota
	suffix
	prefix
	anyHost
)

// Host returns the virtual host for an authority, or nil, and which of its domains
// takes it: an exact one, else the longest "*.example.com", else the longest "example.*",
// else "*".
func (c *RouteConfig) Host(authority string) (*VirtualHost, string) {
	if c.GetIgnorePortInHostMatching() {
		if i := portStart(authority); i >= 0 {
			authority = authority[:i]
		}
	}
	authority = lower(authority)
	var best *VirtualHost
	var by string
	sort, length := anyHost, -1
	for _, h := range c.Hosts {
		for _, d := range h.GetDomains() {
			s, is := matchDomain(lower(d), authority)
			if is && (best == nil || s < sort || s == sort && len(d) > length) {
				best, by, sort, length = h, d, s, len(d)
			}
		}
	}
	return best, by
}

// matchDomain reports whether a domain of a virtual host takes a host.
func matchDomain(d, host string) (domain, bool) {
	switch {
	case d == "*":
		return anyHost, true
	case strings.HasPrefix(d, "*"):
		return suffix, len(d)-1 < len(host) && strings.HasSuffix(host, d[1:])
	case strings.HasSuffix(d, "*"):
		return prefix, len(d)-1 < len(host) && strings.HasPrefix(host, d[:len(d)-1])
	default:
		return exact, d == host
	}
}

// lower returns s with its ASCII letters in lower case.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
