package lanes

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// match returns a condition as an HTTPRoute has it, in which all values are matched as a
// whole. A prefix of a path ends at a segment there, so it is a regular expression.
func (r *httpRoutes) match(name, route string, m *networking.HTTPMatchRequest) (out routeMatch) {
	cannot := func(what string) {
		r.errorf("HTTPRoute %s, rule %s: an HTTPRoute has no %s: leave the condition out, or render VirtualServices", name, route, what)
	}
	for _, c := range []struct {
		what string
		is   bool
	}{
		{"withoutHeaders", len(m.GetWithoutHeaders()) > 0},
		{"scheme", m.Scheme != nil},
		{"authority", m.Authority != nil},
		{"port of a match", m.GetPort() != 0},
		{"ignoreUriCase", m.GetIgnoreUriCase()},
	} {
		if c.is {
			cannot(c.what)
		}
	}
	if m.Uri != nil {
		path := valueOf("", m.Uri)
		switch {
		case m.Uri.GetPrefix() == "/":
			path = valueMatch{Type: "PathPrefix", Value: "/"}
		case path.Type == "":
			path.Type = "Exact"
		}
		out.Path = &path
	}
	for _, key := range slices.Sorted(maps.Keys(m.GetHeaders())) {
		if isClaim(key) || strings.HasPrefix(key, ":") {
			cannot("condition on " + key)
		}
		out.Headers = append(out.Headers, valueOf(key, m.GetHeaders()[key]))
	}
	for _, key := range slices.Sorted(maps.Keys(m.GetQueryParams())) {
		out.QueryParams = append(out.QueryParams, valueOf(key, m.GetQueryParams()[key]))
	}
	if m.Method != nil {
		if out.Method = m.Method.GetExact(); out.Method == "" {
			cannot("pattern of methods")
		}
	}
	return out
}

// valueOf returns the condition on a value.
func valueOf(name string, m *networking.StringMatch) valueMatch {
	const regular = "RegularExpression"
	switch is := m.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		return valueMatch{Name: name, Value: is.Exact}
	case *networking.StringMatch_Prefix:
		return valueMatch{regular, name, regexp.QuoteMeta(is.Prefix) + ".*"}
	case *networking.StringMatch_Regex:
		return valueMatch{regular, name, is.Regex}
	}
	return valueMatch{regular, name, ".*"} // {}: any value
}

// checkOrder reports where another rule of an HTTPRoute would decide than the first that
// matches: of several, the one with the most specific condition does. Where a rule before
// both takes what both would, neither decides.
func (r *httpRoutes) checkOrder(name string, vs *virtualService, rules []routeRule) {
	for i, before := range rules {
		for j := i + 1; j < len(rules); j++ {
			for _, later := range conditionsOf(rules[j]) {
				for _, earlier := range conditionsOf(before) {
					if precedence(earlier, later) > 0 && !exclude(earlier, later) && !taken(rules[:i], earlier, later) {
						r.errorf("HTTPRoute %s: rule %s stands before %s, and an HTTPRoute would try %s first, for its conditions say more: give both the same path, or render VirtualServices",
							name, vs.spec.GetHttp()[i].GetName(), vs.spec.GetHttp()[j].GetName(), vs.spec.GetHttp()[j].GetName())
						return
					}
				}
			}
		}
	}
}

// taken reports whether one of rules takes every request that has both conditions.
func taken(rules []routeRule, a, b routeMatch) bool {
	return slices.ContainsFunc(rules, func(rule routeRule) bool {
		return slices.ContainsFunc(conditionsOf(rule), func(c routeMatch) bool {
			path := c.Path == nil || c.Path.Type == "PathPrefix" || a.Path != nil && *a.Path == *c.Path || b.Path != nil && *b.Path == *c.Path
			return path && (c.Method == "" || c.Method == a.Method || c.Method == b.Method) &&
				among(c.Headers, a.Headers, b.Headers) && among(c.QueryParams, a.QueryParams, b.QueryParams)
		})
	})
}

// among reports whether each condition is one of a or of b.
func among(conditions, a, b []valueMatch) bool {
	return !slices.ContainsFunc(conditions, func(c valueMatch) bool { return !slices.Contains(a, c) && !slices.Contains(b, c) })
}

// conditionsOf returns the alternatives of a rule. Each takes requests.
func conditionsOf(r routeRule) []routeMatch {
	if len(r.Matches) == 0 {
		return []routeMatch{{}}
	}
	return r.Matches
}

// precedence orders conditions as the Gateway API does: a whole path, then the longer
// pattern, then a method, then more headers, then more parameters.
func precedence(a, b routeMatch) int {
	path := func(m routeMatch) (rank, length int) {
		switch {
		case m.Path == nil:
			return 2, 1 // PathPrefix /
		case m.Path.Type == "Exact":
			return 0, len(m.Path.Value)
		case m.Path.Type == "RegularExpression":
			return 1, len(m.Path.Value)
		}
		return 2, len(m.Path.Value)
	}
	rankA, longA := path(a)
	rankB, longB := path(b)
	method := func(m routeMatch) int { return min(1, len(m.Method)) }
	return cmp.Or(cmp.Compare(rankA, rankB), cmp.Compare(longB, longA), cmp.Compare(method(b), method(a)),
		cmp.Compare(len(b.Headers), len(a.Headers)), cmp.Compare(len(b.QueryParams), len(a.QueryParams)))
}

// exclude reports whether no request has both conditions: they want different values of
// one thing.
func exclude(a, b routeMatch) bool {
	differ := func(x, y valueMatch) bool {
		return x.Type != "RegularExpression" && x.Type == y.Type && x.Name == y.Name && x.Value != y.Value
	}
	if a.Path != nil && b.Path != nil && a.Path.Type == "Exact" && differ(*a.Path, *b.Path) || a.Method != "" && b.Method != "" && a.Method != b.Method {
		return true
	}
	return slices.ContainsFunc(a.Headers, func(x valueMatch) bool {
		return slices.ContainsFunc(b.Headers, func(y valueMatch) bool { return differ(x, y) })
	})
}
