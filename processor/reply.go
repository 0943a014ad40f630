package processor

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
)

// Limits are those of Envoy's connection manager. Envoy answers 500 to a mutation whose
// result exceeds them, even if the request already did. A request that exceeds them by
// more than 100 headers or 60 KiB is neither kept nor changed: no Envoy with these limits
// sends it.
type Limits struct {
	MaxHeaders     int // max_headers_count; 0: 100, Envoy's default
	MaxHeaderBytes int // max_request_headers_kb, in bytes; 0: 61,440, Envoy's default
}

func (l Limits) withDefaults() Limits {
	if l.MaxHeaders <= 0 {
		l.MaxHeaders = contract.DefaultMaxHeaders
	}
	if l.MaxHeaderBytes <= 0 {
		l.MaxHeaderBytes = contract.DefaultMaxHeaderKB << 10
	}
	return l
}

// An extent is how much of the decision a reply carries out.
type extent int

const (
	removeForged         extent = iota // forged tags go
	setHeaders                         // and tags are set
	setHeadersAndBaggage               // and they are members of the baggage as well
)

// reply appends the reply to the request headers in s, after p.decide.
//
// The route cache is cleared exactly if something changes. If the request with its tags
// would exceed the limits, or leave no room to remove all forged ones, forged ones are
// still removed if that fits: without its tag a request goes to the baseline, with a
// forged one wherever a stranger likes.
func (p *plan) reply(dst []byte, s *scratch) ([]byte, outcome) {
	p.most(s)
	m := &s.mutation
	switch {
	case m.empty():
		return appendEmpty(dst, requestHeaders), unchanged
	case !m.fits(p.limits):
		if p.mutate(s, removeForged); m.empty() || !m.canApply(p.limits) {
			return appendEmpty(dst, requestHeaders), overLimits
		}
		return s.appendMutation(dst), overLimits
	case m.tags:
		return s.appendMutation(dst), tagged
	default:
		return s.appendMutation(dst), cleaned
	}
}

// most makes the mutation with tags as members of the baggage, or without these members
// if they do not fit.
func (p *plan) most(s *scratch) {
	if p.propagation == nil {
		p.mutate(s, setHeaders)
		return
	}
	p.rewriteBaggage(s)
	r, m := &s.baggage.rewriter, &s.mutation
	if r.Fits() {
		if p.mutate(s, setHeadersAndBaggage); m.empty() || m.fits(p.limits) || !r.Writes() {
			return
		}
	}
	p.mutate(s, setHeaders)
	if (m.empty() || m.fits(p.limits)) && r.Writes() {
		p.propagation.over.Inc()
	}
}

// mutate makes the mutation in s to the given extent. It leaves alone a tag that the
// request has already, once and with the same value.
func (p *plan) mutate(s *scratch, e extent) {
	m := &s.mutation
	m.begin(&s.request)
	plain := s.request.usesValue()
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
			m.set(t.entry(plain), t.size, o.count)
			m.tags = true
		case o.seen > 0 && !p.trust:
			m.remove(p.owned[i], o.count)
		}
	}
	if p.propagation != nil && (e >= setHeaders || !p.trust) {
		p.mutateBaggage(s, e >= setHeadersAndBaggage)
	}
	m.removeStrays(s.strays, p.limits.MaxHeaders)
}

// A count is how many headers of one name a request has, and the size of their
// names and values in bytes.
type count struct{ seen, size int }

func (c *count) add(h *header) {
	c.seen++
	c.size += h.size()
}

// A mutation is what a reply changes in a request, and the size of the result.
type mutation struct {
	entries [][]byte // of HeaderMutation, except those of strays
	strays  int      // how many of the scratch's strays are removed
	left    int      // how many are not, since Envoy does not remove as many

	sets    int
	tags    bool // a tag is set
	removes int  // including strays
	size    int  // of all encoded entries, in bytes

	resultHeaders int // headers of the request afterwards
	resultBytes   int
}

// begin makes m leave r as it is.
func (m *mutation) begin(r *request) {
	*m = mutation{entries: m.entries[:0], resultHeaders: len(r.headers), resultBytes: r.size}
}

// set adds an entry that makes a header of size bytes the only one of its name. had
// counts those that the request has.
func (m *mutation) set(entry []byte, size int, had count) {
	m.sets++
	m.resultHeaders++
	m.resultBytes += size
	m.add(entry, had)
}

// remove adds an entry that removes all headers of a name. had counts those that the
// request has.
func (m *mutation) remove(entry []byte, had count) {
	m.removes++
	m.add(entry, had)
}

func (m *mutation) add(entry []byte, had count) {
	m.entries = append(m.entries, entry)
	m.size += len(entry)
	m.resultHeaders -= had.seen
	m.resultBytes -= had.size
}

// removeStrays removes as many strays as Envoy accepts entries, up to most in all.
func (m *mutation) removeStrays(strays []stray, most int) {
	m.strays = max(0, min(len(strays), most-m.sets-m.removes))
	m.left = len(strays) - m.strays
	for i := range strays[:m.strays] {
		t := &strays[i]
		m.removes++
		m.size += 1 + protowire.SizeBytes(len(t.name))
		m.resultHeaders -= t.seen
		m.resultBytes -= t.size
	}
}

func (m *mutation) empty() bool { return m.sets+m.removes == 0 }

// fits reports whether Envoy can apply m and nothing forged remains.
func (m *mutation) fits(l Limits) bool { return m.canApply(l) && m.left == 0 }

func (m *mutation) canApply(l Limits) bool {
	return m.sets+m.removes <= l.MaxHeaders && m.resultHeaders <= l.MaxHeaders && m.resultBytes <= l.MaxHeaderBytes
}

// The tags of the fields that replies are made of.
const (
	responseRequestHeaders  = 1<<3 | byte(protowire.BytesType)  // ProcessingResponse.request_headers
	responseDynamicMetadata = 8<<3 | byte(protowire.BytesType)  // ProcessingResponse.dynamic_metadata
	headersResponse         = 1<<3 | byte(protowire.BytesType)  // HeadersResponse.response
	commonHeaderMutation    = 2<<3 | byte(protowire.BytesType)  // CommonResponse.header_mutation
	commonClearRouteCache   = 5<<3 | byte(protowire.VarintType) // CommonResponse.clear_route_cache
	mutationSetHeaders      = 1<<3 | byte(protowire.BytesType)  // HeaderMutation.set_headers
	mutationRemoveHeaders   = 2<<3 | byte(protowire.BytesType)  // HeaderMutation.remove_headers
	optionHeader            = 1<<3 | byte(protowire.BytesType)  // HeaderValueOption.header
	optionAppendAction      = 3<<3 | byte(protowire.VarintType) // HeaderValueOption.append_action
	headerKey               = 1<<3 | byte(protowire.BytesType)  // HeaderValue.key
	headerValue             = 2<<3 | byte(protowire.BytesType)  // HeaderValue.value
	headerRawValue          = 3<<3 | byte(protowire.BytesType)  // HeaderValue.raw_value
)

// appendMutation appends a ProcessingResponse that carries out the mutation in s.
func (s *scratch) appendMutation(dst []byte) []byte {
	m := &s.mutation
	common := 1 + protowire.SizeBytes(m.size) + 2
	headers := 1 + protowire.SizeBytes(common)
	dst = protowire.AppendVarint(append(dst, responseRequestHeaders), uint64(headers))
	dst = protowire.AppendVarint(append(dst, headersResponse), uint64(common))
	dst = protowire.AppendVarint(append(dst, commonHeaderMutation), uint64(m.size))
	for _, entry := range m.entries {
		dst = append(dst, entry...)
	}
	for i := range s.strays[:m.strays] {
		dst = protowire.AppendBytes(append(dst, mutationRemoveHeaders), s.strays[i].name)
	}
	return append(dst, commonClearRouteCache, 1)
}

// appendSet appends what encodeSet returns for a header, in the field value if
// plain.
func appendSet(dst, name, value []byte, plain bool) []byte {
	header := 1 + protowire.SizeBytes(len(name)) + 1 + protowire.SizeBytes(len(value))
	option := 1 + protowire.SizeBytes(header) + 2
	dst = protowire.AppendVarint(append(dst, mutationSetHeaders), uint64(option))
	dst = protowire.AppendVarint(append(dst, optionHeader), uint64(header))
	dst = protowire.AppendBytes(append(dst, headerKey), name)
	field := headerRawValue
	if plain {
		field = headerValue
	}
	dst = protowire.AppendBytes(append(dst, field), value)
	return append(dst, optionAppendAction, byte(corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD))
}

// encodeSet returns the encoded entry of HeaderMutation.set_headers that makes h
// the only header of its name. The zero append_action would append, and append
// is its deprecated predecessor, which stays unset.
func encodeSet(h *corev3.HeaderValue) []byte {
	return encode(&extprocv3.HeaderMutation{SetHeaders: []*corev3.HeaderValueOption{{
		Header:       h,
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}}})
}

// encodeRemove returns the encoded entry of HeaderMutation.remove_headers that
// removes every header of that name.
func encodeRemove(name string) []byte {
	return encode(&extprocv3.HeaderMutation{RemoveHeaders: []string{name}})
}

// emptyReplies are the replies that change nothing, by phase.
var emptyReplies = [...][]byte{
	requestHeaders:   encode(&extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{}}}),
	responseHeaders:  encode(&extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extprocv3.HeadersResponse{}}}),
	requestBody:      encode(&extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestBody{RequestBody: &extprocv3.BodyResponse{}}}),
	responseBody:     encode(&extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseBody{ResponseBody: &extprocv3.BodyResponse{}}}),
	requestTrailers:  encode(&extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestTrailers{RequestTrailers: &extprocv3.TrailersResponse{}}}),
	responseTrailers: encode(&extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseTrailers{ResponseTrailers: &extprocv3.TrailersResponse{}}}),
}

// appendEmpty appends the reply that changes nothing in phase p.
func appendEmpty(dst []byte, p phase) []byte { return append(dst, emptyReplies[p]...) }

// encode returns the wire format of m, whose every string is ASCII: nothing else
// makes proto.Marshal fail.
func encode(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// appendChunk appends the ProcessingResponse that hands c back unchanged, in phase p.
func appendChunk(dst []byte, p phase, c *bodyChunk) []byte {
	size := 0
	if len(c.body) > 0 {
		size += 1 + protowire.SizeBytes(len(c.body))
	}
	for _, set := range c.flags {
		if set {
			size += 2
		}
	}
	bodyMutation := 1 + protowire.SizeBytes(size)
	common := 1 + protowire.SizeBytes(bodyMutation)
	bodyResponse := 1 + protowire.SizeBytes(common)

	// The members of ProcessingResponse's oneof have the numbers of
	// ProcessingRequest's less one.
	for _, nested := range []struct {
		field protowire.Number
		size  int
	}{
		{protowire.Number(p) - 1, bodyResponse},
		{1, common},       // BodyResponse.response
		{3, bodyMutation}, // CommonResponse.body_mutation
		{3, size},         // BodyMutation.streamed_response
	} {
		dst = protowire.AppendTag(dst, nested.field, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(nested.size))
	}
	if len(c.body) > 0 {
		dst = protowire.AppendTag(dst, 1, protowire.BytesType)
		dst = protowire.AppendBytes(dst, c.body)
	}
	for n := firstFlag; n <= lastFlag; n++ {
		if c.flags[n] {
			dst = protowire.AppendTag(dst, n, protowire.VarintType)
			dst = append(dst, 1)
		}
	}
	return dst
}
