package envoyconf

import (
	"slices"
	"strings"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
)

// chain returns the filter chain that takes a connection: in Envoy's order the name of
// the server counts before the protocol. Doubt says why it may be another one.
func (l *Listener) chain(r *Request) (chain *Chain, doubt string) {
	host := r.Authority
	if i := portStart(host); i >= 0 {
		host = host[:i]
	}
	best := -1
	for _, c := range l.Chains {
		if c.Default {
			continue
		}
		v, rank := takes(c.GetFilterChainMatch(), lower(host), r.Scheme == "https")
		if v.Answer == No {
			continue
		}
		if v.Answer == Maybe {
			doubt = v.Why
		}
		if rank > best {
			chain, best = c, rank
		}
	}
	if l.GetFilterChainMatcher() != nil {
		return chain, "the listener chooses its filter chain by a matcher, which is not modelled"
	}
	if n := len(l.Chains); chain == nil && n > 0 && l.Chains[n-1].Default {
		chain = l.Chains[n-1]
	}
	return chain, doubt
}

// takes judges a match of a filter chain. Of several that take a connection the one of
// the highest rank gets it.
func takes(m *listenerv3.FilterChainMatch, host string, isTLS bool) (v Verdict, rank int) {
	v = yes
	if names := m.GetServerNames(); len(names) > 0 {
		longest := -1
		for _, n := range names {
			n = lower(n)
			if s, wild := strings.CutPrefix(n, "*"); isTLS && (n == host || wild && strings.HasSuffix(host, s) && len(s) < len(host)) {
				length := len(n)
				if !wild {
					length += 1 << 10
				}
				longest = max(longest, length)
			}
		}
		if longest < 0 {
			return no("the name of the server is another one"), 0
		}
		rank += longest << 2
	}
	switch t := m.GetTransportProtocol(); {
	case t == "tls" && !isTLS, t == "raw_buffer" && isTLS:
		return no("the transport is not %s", t), 0
	case t != "":
		rank += 2
	}
	if ps := m.GetApplicationProtocols(); len(ps) > 0 {
		if !slices.ContainsFunc(ps, func(p string) bool { return p == "http/1.1" || p == "http/1.0" || p == "h2c" || p == "h2" }) {
			return no("the protocol is not one of its application_protocols"), 0
		}
		rank++
	}
	if m.GetDestinationPort() != nil || len(m.GetPrefixRanges())+len(m.GetSourcePrefixRanges())+len(m.GetDirectSourcePrefixRanges())+len(m.GetSourcePorts()) > 0 ||
		m.GetSourceType() != listenerv3.FilterChainMatch_ANY {
		v = maybe("filter chains are chosen by addresses or ports of the connection, which are not known")
	}
	return v, rank
}
