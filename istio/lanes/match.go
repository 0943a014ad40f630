package lanes

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/source"
)

// match reads a condition in the form that VirtualServices have. A field that is
// not known is an error: without it the condition would hold for more requests.
func (r *reader) match(p source.Value) (*networking.HTTPMatchRequest, bool) {
	m := &networking.HTTPMatchRequest{}
	if !p.IsMapping() {
		r.Mapping(p, "a match") // says that it is none
		return nil, false
	}
	faults := p.Message(m)
	for _, f := range faults {
		reason := f.Reason
		switch f.Sort {
		case source.UnknownField:
			reason += ": without it the condition would hold for more requests"
		case source.NullValue:
			reason += "; leave the key out if none is meant"
		}
		r.Add(f.At.Problem(source.Error, KindMatch, "a match of Istio: "+reason))
	}
	if len(faults) > 0 {
		return nil, false
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"gateways", len(m.Gateways) > 0},
		{"sourceLabels", len(m.SourceLabels) > 0},
		{"sourceNamespace", m.SourceNamespace != ""},
	} {
		if f.set {
			r.error(p.Get(f.name), KindMatch, "%s is about callers in the mesh, and this rule is at the gateway", f.name)
			return nil, false
		}
	}
	twice := r.twice(p.Get("headers")) || r.twice(p.Get("withoutHeaders"))
	lowerKeys(m.Headers)
	lowerKeys(m.WithoutHeaders)
	return m, r.stringMatches(p, m) && !twice
}

// stringMatches reports whether the webhook of Istio takes the conditions on texts of
// a match, and says which ones it does not.
func (r *reader) stringMatches(p source.Value, m *networking.HTTPMatchRequest) bool {
	before := r.Errors()
	for _, f := range []struct {
		name string
		m    *networking.StringMatch
	}{{"uri", m.Uri}, {"scheme", m.Scheme}, {"method", m.Method}, {"authority", m.Authority}} {
		r.stringMatch(p.Get(f.name), f.name, f.m)
	}
	for _, f := range []struct {
		name string
		m    map[string]*networking.StringMatch
	}{{"headers", m.Headers}, {"withoutHeaders", m.WithoutHeaders}, {"queryParams", m.QueryParams}} {
		for _, e := range p.Get(f.name).Entries() {
			name := e.Key()
			if f.name != "queryParams" {
				r.matchedHeader(e)
				name = headerKey(name)
			}
			r.stringMatch(e, f.name, f.m[name])
		}
	}
	return r.Errors() == before
}

// stringMatch checks one condition, that of a field.
func (r *reader) stringMatch(p source.Value, field string, m *networking.StringMatch) {
	then := "; leave the condition out where every request is meant"
	if strings.HasSuffix(strings.ToLower(field), "headers") {
		then = "; write {} where the header may have any value"
	}
	switch s := m.GetMatchType().(type) {
	case *networking.StringMatch_Prefix:
		if s.Prefix == "" && field != "uri" {
			r.error(p.Get("prefix"), KindMatch, "the prefix is empty, which Istio refuses here%s", then)
		}
	case *networking.StringMatch_Exact:
		if s.Exact == "" && field != "queryParams" { // ?debug has the value ""
			r.error(p.Get("exact"), KindMatch, "the value is empty, and no request has an empty one here%s", then)
		}
	case *networking.StringMatch_Regex:
		_, err := regexp.Compile(s.Regex)
		switch {
		case s.Regex == "*" && field == "withoutHeaders": // not an expression: the header is there
		case s.Regex == "":
			r.error(p.Get("regex"), KindMatch, "the regular expression is empty, which Istio refuses%s", then)
		case len(s.Regex) > maxRegex:
			r.error(p.Get("regex"), KindMatch, "the regular expression has %d bytes; the most that Istio takes is %d", len(s.Regex), maxRegex)
		case err != nil:
			if s.Regex != "*" {
				then = ""
			}
			r.error(p.Get("regex"), KindMatch, "this is not a regular expression of RE2: %v%s", err, then)
		}
	}
}

// matchedHeader checks the name of a header in a match: a part of the request, as HTTP/2
// calls it, or a claim of a token may stand for one.
func (r *reader) matchedHeader(e source.Value) {
	name := e.Key()
	pseudo := slices.Contains([]string{":method", ":scheme", ":authority", ":path"}, strings.ToLower(name))
	if !headerToken().MatchString(name) && !pseudo && !isClaim(name) {
		r.Add(e.KeyPlace().Problem(source.Error, KindMatch, fmt.Sprintf("%q is no name of a request header", source.Shorten(name))))
	}
}

// isClaim reports whether the key of a header condition means a claim of a token.
func isClaim(name string) bool { return strings.HasPrefix(name, "@request.auth.claims") }

// headerKey returns the key of a header condition as Istio wants it.
func headerKey(name string) string {
	if isClaim(name) {
		return name // upper case counts
	}
	return strings.ToLower(name)
}

// twice refuses a header that stands in headers in two spellings: Istio knows one.
func (r *reader) twice(headers source.Value) (found bool) {
	seen := map[string]string{}
	for _, h := range headers.Entries() {
		lower := headerKey(h.Key())
		if before, known := seen[lower]; known {
			r.Add(h.KeyPlace().Problem(source.Error, KindMatch, fmt.Sprintf("%s and %s are one header, and a match has one condition for it; leave one of them out", source.Shorten(before), source.Shorten(h.Key()))))
			found = true
		}
		seen[lower] = h.Key()
	}
	return found
}

// lowerKeys makes the names of headers what Istio wants them to be.
func lowerKeys(headers map[string]*networking.StringMatch) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if lower := headerKey(name); lower != name {
			headers[lower] = headers[name]
			delete(headers, name)
		}
	}
}

func exact(value string) *networking.StringMatch {
	return &networking.StringMatch{MatchType: &networking.StringMatch_Exact{Exact: value}}
}

// isEmpty reports whether a match holds for every request.
func isEmpty(m *networking.HTTPMatchRequest) bool {
	return m.Uri == nil && conditions(m) == 0
}

// takeAll reports whether one of the alternatives holds for every request, or there are
// no alternatives.
func takeAll(matches []*networking.HTTPMatchRequest) bool {
	return len(matches) == 0 || slices.ContainsFunc(matches, func(m *networking.HTTPMatchRequest) bool {
		return conditions(m) == 0 && (m.Uri == nil || m.Uri.GetPrefix() == "/")
	})
}

// conditions counts what a match says beside the path.
func conditions(m *networking.HTTPMatchRequest) int {
	n := len(m.Headers) + len(m.WithoutHeaders) + len(m.QueryParams)
	for _, set := range []bool{m.Scheme != nil, m.Method != nil, m.Authority != nil, m.Port != 0} {
		if set {
			n++
		}
	}
	return n
}

// compareMatches orders alternatives by how few requests they take: whole paths,
// then long prefixes before short ones, regular expressions, every path; then
// many conditions before few.
func compareMatches(a, b []*networking.HTTPMatchRequest) int {
	if len(a) == 0 || len(b) == 0 {
		return cmp.Compare(len(b), len(a))
	}
	return cmp.Or(comparePaths(a[0].Uri, b[0].Uri), cmp.Compare(conditions(b[0]), conditions(a[0])))
}

func comparePaths(a, b *networking.StringMatch) int {
	rank := func(m *networking.StringMatch) int {
		switch {
		case m.GetExact() != "":
			return 0
		case len(m.GetPrefix()) > 1:
			return 1
		case m.GetRegex() != "":
			return 2
		}
		return 3 // every path: none, or the prefix /
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(b.GetPrefix()), len(a.GetPrefix())))
}
