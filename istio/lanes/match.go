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
			reason += "; leave the key out where none is meant"
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
			r.error(p.Get(f.name), KindMatch, "%s says something of callers in the mesh; this is a rule of the gateway", f.name)
			return nil, false
		}
	}
	twice := r.twice(p.Get("headers")) || r.twice(p.Get("withoutHeaders"))
	lowerKeys(m.Headers)
	lowerKeys(m.WithoutHeaders)
	return m, r.isRegex(p, m) && !twice
}

// isRegex reports whether the regular expressions of a match are such.
func (r *reader) isRegex(p source.Value, m *networking.HTTPMatchRequest) bool {
	ok := true
	check := func(p source.Value, s *networking.StringMatch) {
		if _, err := regexp.Compile(s.GetRegex()); err != nil {
			r.error(p.Get("regex"), KindMatch, "this is no regular expression of RE2: %v", err)
			ok = false
		}
	}
	for _, f := range []struct {
		name string
		m    *networking.StringMatch
	}{{"uri", m.Uri}, {"scheme", m.Scheme}, {"method", m.Method}, {"authority", m.Authority}} {
		check(p.Get(f.name), f.m)
	}
	for _, f := range []struct {
		name string
		m    map[string]*networking.StringMatch
	}{{"headers", m.Headers}, {"withoutHeaders", m.WithoutHeaders}, {"queryParams", m.QueryParams}} {
		for _, key := range slices.Sorted(maps.Keys(f.m)) {
			check(p.Get(f.name).Get(key), f.m[key])
		}
	}
	return ok
}

// twice refuses a header that stands in headers in two spellings: Istio knows one.
func (r *reader) twice(headers source.Value) (found bool) {
	seen := map[string]string{}
	for _, h := range headers.Entries() {
		lower := strings.ToLower(h.Key())
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
		if lower := strings.ToLower(name); lower != name {
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

// takeAll reports whether one of the alternatives, of which none is one, holds for
// every request.
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
