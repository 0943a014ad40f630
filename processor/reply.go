package processor

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tagproc/tagproc/rules"
)

// Limits are those of Envoy's connection manager. Envoy answers 500 to a
// mutation of which the result exceeds them, also if the request did so before.
type Limits struct {
	MaxHeaders     int // max_headers_count; 0: 100, Envoy's default
	MaxHeaderBytes int // max_request_headers_kb, in bytes; 0: 61,440, Envoy's default
}

func (l Limits) withDefaults() Limits {
	if l.MaxHeaders <= 0 {
		l.MaxHeaders = 100
	}
	if l.MaxHeaderBytes <= 0 {
		l.MaxHeaderBytes = 60 << 10
	}
	return l
}

// The tags of the fields that replies are made of.
const (
	responseRequestHeaders  = 1<<3 | byte(protowire.BytesType)  // ProcessingResponse.request_headers
	responseDynamicMetadata = 8<<3 | byte(protowire.BytesType)  // ProcessingResponse.dynamic_metadata
	headersResponse         = 1<<3 | byte(protowire.BytesType)  // HeadersResponse.response
	commonHeaderMutation    = 2<<3 | byte(protowire.BytesType)  // CommonResponse.header_mutation
	commonClearRouteCache   = 5<<3 | byte(protowire.VarintType) // CommonResponse.clear_route_cache
	mutationRemoveHeaders   = 2<<3 | byte(protowire.BytesType)  // HeaderMutation.remove_headers
)

// A mutation is what a reply does, in numbers. The entries themselves are in
// the scratch.
type mutation struct {
	sets    int
	tags    bool // something of what is set says a tag
	removes int  // strays included
	strays  int  // how many of the scratch's strays are removed
	left    int  // how many are not, since Envoy would not remove as many
	size    int  // of all encoded entries, in bytes

	resultHeaders int // what the request will have after it
	resultBytes   int
}

// An extent is how much of what was decided a reply carries out.
type extent int

const (
	removeForged         extent = iota // forged tags go
	setHeaders                         // and tags are set
	setHeadersAndBaggage               // and they are members of the baggage as well
)

// reply appends the reply to the request headers in s, on which p.decide
// decided.
//
// The route cache is cleared exactly when something changes. Where tags would
// take the request over the limits, or leave no room to remove all forged ones,
// forged ones are still removed, if that fits: without its tag a request goes to
// the baseline, with a forged one to where a stranger likes.
func (p *plan) reply(dst []byte, s *scratch) ([]byte, outcome) {
	m := p.most(s)
	switch {
	case m.empty():
		return appendEmpty(dst, requestHeaders), unchanged
	case !m.fits(p.limits):
		if m = p.mutate(s, removeForged); m.empty() || !m.canApply(p.limits) {
			return appendEmpty(dst, requestHeaders), overLimits
		}
		return s.appendReply(dst, m), overLimits
	case m.tags:
		return s.appendReply(dst, m), tagged
	default:
		return s.appendReply(dst, m), cleaned
	}
}

// most returns the mutation with tags as members of the baggage, or without these
// where they do not fit.
func (p *plan) most(s *scratch) mutation {
	if p.propagation == nil {
		return p.mutate(s, setHeaders)
	}
	p.rewriteBaggage(s)
	r := &s.baggage.rewriter
	if r.Fits() {
		if m := p.mutate(s, setHeadersAndBaggage); m.empty() || m.fits(p.limits) || !r.Writes() {
			return m
		}
	}
	m := p.mutate(s, setHeaders)
	if (m.empty() || m.fits(p.limits)) && r.Writes() {
		p.propagation.over.Inc()
	}
	return m
}

func (m *mutation) empty() bool { return m.sets+m.removes == 0 }

// fits reports whether Envoy can apply m, and nothing forged is left then.
func (m *mutation) fits(l Limits) bool { return m.canApply(l) && m.left == 0 }

func (m *mutation) canApply(l Limits) bool {
	return m.sets+m.removes <= l.MaxHeaders && m.resultHeaders <= l.MaxHeaders && m.resultBytes <= l.MaxHeaderBytes
}

// mutate collects the entries of the reply in s, to the given extent. A tag that
// the request has already, once and with the same value, is left alone.
func (p *plan) mutate(s *scratch, e extent) mutation {
	m := mutation{resultHeaders: len(s.request.headers), resultBytes: s.request.size}
	plain := s.request.usesValue()
	s.entries = s.entries[:0]
	for i := range s.owned {
		o := &s.owned[i]
		var t *tag
		if o.tag != rules.NoTag {
			if t = &p.tags[o.tag]; o.seen == 1 && string(o.value) == t.value {
				continue
			}
		}
		switch {
		case t != nil && e >= setHeaders:
			entry := t.entry(plain)
			m.sets++
			m.tags = true
			m.resultHeaders++
			m.resultBytes += t.size
			m.size += len(entry)
			s.entries = append(s.entries, entry)
		case o.seen > 0 && !p.trust:
			m.removes++
			m.size += len(p.owned[i])
			s.entries = append(s.entries, p.owned[i])
		default:
			continue
		}
		m.resultHeaders -= o.seen
		m.resultBytes -= o.size
	}
	if p.propagation != nil && (e >= setHeaders || !p.trust) {
		p.mutateBaggage(&m, s, e >= setHeadersAndBaggage)
	}
	m.strays = max(0, min(len(s.strays), p.limits.MaxHeaders-m.sets-m.removes))
	m.left = len(s.strays) - m.strays
	for _, t := range s.strays[:m.strays] {
		m.removes++
		m.size += 1 + protowire.SizeBytes(len(t.name))
		m.resultHeaders -= t.seen
		m.resultBytes -= t.size
	}
	return m
}

// appendReply appends a ProcessingResponse that carries out m.
func (s *scratch) appendReply(dst []byte, m mutation) []byte {
	common := 1 + protowire.SizeBytes(m.size) + 2
	headers := 1 + protowire.SizeBytes(common)
	dst = protowire.AppendVarint(append(dst, responseRequestHeaders), uint64(headers))
	dst = protowire.AppendVarint(append(dst, headersResponse), uint64(common))
	dst = protowire.AppendVarint(append(dst, commonHeaderMutation), uint64(m.size))
	for _, entry := range s.entries {
		dst = append(dst, entry...)
	}
	for _, t := range s.strays[:m.strays] {
		dst = protowire.AppendBytes(append(dst, mutationRemoveHeaders), t.name)
	}
	return append(dst, commonClearRouteCache, 1)
}
