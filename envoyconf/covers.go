package envoyconf

import (
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
)

// Covers reports whether a route takes every request that the other one would take, for
// sure: its conditions hold where those of the other hold, and its path holds the other's.
func (route *Route) Covers(other *Route) bool {
	m, o := route.GetMatch(), other.GetMatch()
	if route.Doubt != "" || m.GetTlsContext() != nil || len(m.GetDynamicMetadata())+len(m.GetFilterState())+len(m.GetCookies()) > 0 || m.GetGrpc() != nil && o.GetGrpc() == nil {
		return false
	}
	if f := m.GetRuntimeFraction(); f != nil && fraction(f.GetDefaultValue(), f.GetRuntimeKey()).Answer != Yes {
		return false
	}
	return coversPath(m, o) && coversHeaders(m.GetHeaders(), o.GetHeaders()) && among(m.GetQueryParameters(), o.GetQueryParameters())
}

// coversHeaders reports whether each of some conditions holds where others hold: it is one of
// them, or takes the very value that one of them asks for.
func coversHeaders(some, others []*routev3.HeaderMatcher) bool {
	return !slices.ContainsFunc(some, func(c *routev3.HeaderMatcher) bool {
		return !slices.ContainsFunc(others, func(o *routev3.HeaderMatcher) bool {
			value := Exact(o)
			return proto.Equal(c, o) || value != "" && !o.GetStringMatch().GetIgnoreCase() && !o.GetInvertMatch() && !c.GetInvertMatch() && lower(c.GetName()) == lower(o.GetName()) && Takes(c, value) == Yes
		})
	})
}

// among reports whether each of some conditions is one of others.
func among[T proto.Message](some, others []T) bool {
	return !slices.ContainsFunc(some, func(c T) bool {
		return !slices.ContainsFunc(others, func(o T) bool { return proto.Equal(c, o) })
	})
}

// coversPath reports whether the path of m holds every path of o.
func coversPath(m, o *routev3.RouteMatch) bool {
	sensitive := func(m *routev3.RouteMatch) bool {
		return m.GetCaseSensitive() == nil || m.GetCaseSensitive().GetValue()
	}
	fold := func(s string) string { return s }
	if !sensitive(m) {
		fold = lower
	}
	same := sensitive(m) == sensitive(o)
	switch p := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		if p.Prefix == "/" || p.Prefix == "" {
			return o.GetConnectMatcher() == nil // every path begins so
		}
		begin := o.GetPrefix() + o.GetPath() + o.GetPathSeparatedPrefix()
		return (same || !sensitive(m)) && begin != "" && strings.HasPrefix(fold(begin), fold(p.Prefix))
	case *routev3.RouteMatch_PathSeparatedPrefix:
		for _, begin := range []string{o.GetPath(), o.GetPathSeparatedPrefix()} {
			rest, is := strings.CutPrefix(fold(begin), fold(p.PathSeparatedPrefix))
			if (same || !sensitive(m)) && is && begin != "" && (rest == "" || rest[0] == '/') {
				return true
			}
		}
		return false
	case *routev3.RouteMatch_Path:
		return (same || !sensitive(m)) && o.GetPath() != "" && fold(o.GetPath()) == fold(p.Path)
	case *routev3.RouteMatch_SafeRegex:
		return o.GetSafeRegex() != nil && o.GetSafeRegex().GetRegex() == p.SafeRegex.GetRegex()
	default:
		return false
	}
}

// Takes says whether a condition on a header holds for one value.
func Takes(m *routev3.HeaderMatcher, value string) Answer {
	r := Request{Headers: []Header{{strings.ToLower(m.GetName()), value}}}
	return r.header(m).Answer
}

// Exact returns the text that a header has to be for a condition, or "".
func Exact(m *routev3.HeaderMatcher) string {
	if e := m.GetStringMatch().GetExact(); e != "" {
		return e
	}
	return m.GetExactMatch() //nolint:staticcheck // configurations have it
}
