package lanes

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/reflect/protoreflect"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/source"
)

// match reads a condition in the form that VirtualServices have. A field that is
// not known is an error: without it the condition would hold for more requests.
func (r *reader) match(p place) (*networking.HTTPMatchRequest, bool) {
	m := &networking.HTTPMatchRequest{}
	if !r.isMatch(p, m.ProtoReflect().Descriptor()) {
		return nil, false
	}
	if err := p.doc.Decode(m, true, p.path...); err != nil {
		_, why, _ := strings.Cut(err.Error(), "): ") // behind a place in its JSON
		r.error(p, KindMatch, "this is no match of a VirtualService: %s", why)
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
			r.error(p.at(f.name), KindMatch, "%s says something of callers in the mesh; this is a rule of the gateway", f.name)
			return nil, false
		}
	}
	lowerKeys(m.Headers)
	lowerKeys(m.WithoutHeaders)
	return m, r.isRegex(p, m)
}

// isMatch reports whether every key of the mapping at p is a field of a message.
func (r *reader) isMatch(p place, message protoreflect.MessageDescriptor) bool {
	n := r.visit(p)
	if n == nil {
		return false
	}
	if n.Kind != yaml.MappingNode {
		r.error(p, source.KindType, "expected a mapping, and this is %s", source.Describe(n))
		return false
	}
	var known []string
	for i := range message.Fields().Len() {
		known = append(known, message.Fields().Get(i).JSONName())
	}
	ok := true
	for key := range r.keys(p, n, "a match") {
		f := message.Fields().ByJSONName(key.Value)
		value := p.at(key.Value)
		switch {
		case f == nil:
			r.problem(p.doc.ProblemAt(key, source.Error, KindMatch, fmt.Sprintf(
				"a match of Istio has no %q here; expected one of %s", source.Shorten(key.Value), strings.Join(known, ", "))))
			ok = false
		case value.node() == nil:
			r.error(value, source.KindMissing, "%q has no value; leave the key out where none is meant", key.Value)
			ok = false
		case f.IsMap() && f.MapValue().Message() != nil && value.node().Kind == yaml.MappingNode:
			for name := range r.keys(value, value.node(), key.Value) {
				ok = r.isMatch(value.at(name.Value), f.MapValue().Message()) && ok
			}
		case f.IsMap():
		case f.Message() != nil:
			ok = r.isMatch(value, f.Message()) && ok
		}
	}
	return ok
}

// isRegex reports whether the regular expressions of a match are such.
func (r *reader) isRegex(p place, m *networking.HTTPMatchRequest) bool {
	ok := true
	check := func(p place, s *networking.StringMatch) {
		if _, err := regexp.Compile(s.GetRegex()); err != nil {
			r.error(p.at("regex"), KindMatch, "this is no regular expression of RE2: %v", err)
			ok = false
		}
	}
	for _, f := range []struct {
		name string
		m    *networking.StringMatch
	}{{"uri", m.Uri}, {"scheme", m.Scheme}, {"method", m.Method}, {"authority", m.Authority}} {
		check(p.at(f.name), f.m)
	}
	for _, f := range []struct {
		name string
		m    map[string]*networking.StringMatch
	}{{"headers", m.Headers}, {"withoutHeaders", m.WithoutHeaders}, {"queryParams", m.QueryParams}} {
		for _, key := range slices.Sorted(maps.Keys(f.m)) {
			check(p.at(f.name).at(key), f.m[key])
		}
	}
	return ok
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
