package lint

import (
	"regexp"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// takes reports whether a header with a value is matched. An empty match asks that the
// header is there.
func (h headerMatch) takes(value string) bool {
	switch t := h.match.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		return value == t.Exact
	case *networking.StringMatch_Prefix:
		return strings.HasPrefix(value, t.Prefix)
	case *networking.StringMatch_Regex:
		return h.regex != nil && h.regex.MatchString(value)
	}
	return true
}

// whole returns a regular expression of Envoy, whose syntax is that of Go, so that it
// matches whole texts; nil if it is not valid.
func whole(expression string) *regexp.Regexp {
	re, err := regexp.Compile("^(?:" + expression + ")$")
	if err != nil {
		return nil
	}
	return re
}

// A headerMatch is a header in a match of a route.
type headerMatch struct {
	at     place
	vs     *virtualService
	route  int
	header string // lower case
	match  *networking.StringMatch
	regex  *regexp.Regexp // of a match that is one and valid, or nil
}

func (v *virtualService) readHeaderMatches() (hs []headerMatch) {
	for i, r := range v.GetHttp() {
		for j, m := range r.GetMatch() {
			for _, name := range sortedKeys(m.GetHeaders()) {
				h := headerMatch{at: v.route(i, "match", j, "headers", name), vs: v, route: i, header: lower(name), match: m.GetHeaders()[name]}
				if expression := h.match.GetRegex(); expression != "" {
					h.regex = whole(expression)
				}
				hs = append(hs, h)
			}
		}
	}
	return hs
}

func (m *model) headerMatches() (hs []headerMatch) {
	for _, v := range m.virtual {
		hs = append(hs, v.matched...)
	}
	return hs
}

// isCatchAll reports whether a match takes every request: it has nothing but a name, or
// takes every path.
func isCatchAll(m *networking.HTTPMatchRequest) bool {
	if len(m.GetHeaders())+len(m.GetWithoutHeaders())+len(m.GetQueryParams())+len(m.GetSourceLabels())+len(m.GetGateways()) > 0 {
		return false
	}
	if m.GetMethod() != nil || m.GetAuthority() != nil || m.GetScheme() != nil || m.GetPort() != 0 || m.GetSourceNamespace() != "" {
		return false
	}
	switch t := m.GetUri().GetMatchType().(type) {
	case nil:
		return m.GetUri() == nil
	case *networking.StringMatch_Prefix:
		return t.Prefix == "/" || t.Prefix == ""
	case *networking.StringMatch_Regex:
		return t.Regex == ".*" || t.Regex == "/.*"
	}
	return false
}

// takesAll reports whether a route takes every request that gets to it.
func takesAll(r *networking.HTTPRoute) bool {
	return len(r.GetMatch()) == 0 || slices.ContainsFunc(r.GetMatch(), isCatchAll)
}

// hostsMeet reports whether a request can be for both hosts. Either may begin with a
// wildcard.
func hostsMeet(a, b string) bool {
	wildcardOf := func(pattern, host string) bool {
		suffix, ok := strings.CutPrefix(pattern, "*")
		return ok && strings.HasSuffix(host, suffix)
	}
	return a == b || wildcardOf(a, b) || wildcardOf(b, a)
}
