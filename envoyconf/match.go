package envoyconf

import (
	"net/http"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
)

// Match says whether Envoy takes a route for a request that has arrived at it.
func (c *RouteConfig) match(route *Route, r *Request) Verdict {
	m := route.GetMatch()
	v := c.path(m, r)
	for _, h := range m.GetHeaders() {
		v = v.and(r.header(h))
	}
	for _, q := range m.GetQueryParameters() {
		v = v.and(r.parameter(q))
	}
	if m.GetGrpc() != nil {
		v = v.and(r.grpc())
	}
	if f := m.GetRuntimeFraction(); f != nil {
		v = v.and(fraction(f.GetDefaultValue(), f.GetRuntimeKey()))
	}
	for _, open := range []struct {
		there bool
		what  string
	}{
		{len(m.GetDynamicMetadata()) > 0, "it matches dynamic metadata, which filters set"},
		{len(m.GetFilterState()) > 0, "it matches filter state, which filters set"},
		{len(m.GetCookies()) > 0, "it matches cookies, which is not modelled"},
		{m.GetTlsContext() != nil, "it matches the certificate of the client"},
		{route.Doubt != "", route.Doubt},
	} {
		if open.there {
			v = v.and(maybe("%s", open.what))
		}
	}
	return v
}

// path judges the path of a route's match.
func (c *RouteConfig) path(m *routev3.RouteMatch, r *Request) Verdict {
	connect, isConnect := m.GetPathSpecifier().(*routev3.RouteMatch_ConnectMatcher_)
	if isConnect && connect != nil {
		return said(r.Method == http.MethodConnect, "the method is %s, not CONNECT", r.Method)
	}
	if r.Path == "" {
		return no("the request has no path")
	}
	path, _, _ := strings.Cut(r.Path, "?")
	if !c.GetIgnorePathParametersInPathMatching() || !strings.Contains(path, ";") {
		return pathVerdict(m, path)
	}
	first, _, _ := strings.Cut(path, ";")
	v := pathVerdict(m, withoutParameters(path))
	if pathVerdict(m, first).Answer != v.Answer { // 1.36.4 and 1.40.0 differ
		return maybe("older releases ignore all of the path behind its first semicolon, newer ones what is behind one in each segment")
	}
	return v
}

// pathVerdict judges a path without its query.
func pathVerdict(m *routev3.RouteMatch, path string) Verdict {
	fold := func(s string) string { return s }
	if s := m.GetCaseSensitive(); s != nil && !s.GetValue() {
		fold = lower
	}
	switch p := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		return said(strings.HasPrefix(fold(path), fold(p.Prefix)), "the path %s does not begin with %s", path, p.Prefix)
	case *routev3.RouteMatch_Path:
		return said(fold(path) == fold(p.Path), "the path is %s, not %s", path, p.Path)
	case *routev3.RouteMatch_PathSeparatedPrefix:
		rest, begins := strings.CutPrefix(fold(path), fold(p.PathSeparatedPrefix))
		return said(begins && (rest == "" || rest[0] == '/'), "the path %s is not below %s", path, p.PathSeparatedPrefix)
	case *routev3.RouteMatch_SafeRegex:
		holds, open := fullMatch(p.SafeRegex.GetRegex(), path)
		if open != nil {
			return *open
		}
		return said(holds, "the path %s does not match %q", path, p.SafeRegex.GetRegex())
	default:
		return maybe("its path is matched by something that is not modelled")
	}
}

// withoutParameters returns a path without what stands behind a semicolon in a segment.
func withoutParameters(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segments, "/")
}

// grpc judges whether r is a call of gRPC.
func (r *Request) grpc() Verdict {
	kinds, open := r.values("content-type")
	kind := strings.Join(kinds, ",")
	rest, is := strings.CutPrefix(kind, "application/grpc")
	switch {
	case open != "":
		return maybe("%s", open)
	case is && strings.HasPrefix(rest, ";"):
		return maybe("content-type is %q, which is gRPC to some releases", kind)
	}
	return said(is && (rest == "" || rest[0] == '+'), "the request is not gRPC")
}

// fraction judges a fraction of requests.
func fraction(f *typev3.FractionalPercent, key string) Verdict {
	of := map[typev3.FractionalPercent_DenominatorType]uint32{
		typev3.FractionalPercent_HUNDRED: 100, typev3.FractionalPercent_TEN_THOUSAND: 10_000, typev3.FractionalPercent_MILLION: 1_000_000,
	}[f.GetDenominator()]
	switch n := f.GetNumerator(); {
	case key != "":
		return maybe("the runtime key %s decides which requests it takes, by default %d of %d", key, n, of)
	case n == 0:
		return no("it takes 0 of %d requests", of)
	case n >= of:
		return yes
	default:
		return maybe("it takes %d of %d requests, by chance", n, of)
	}
}
