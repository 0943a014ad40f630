package processor

import (
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tagproc/tagproc/baggage"
	"github.com/tagproc/tagproc/rules"
)

// A propagation is what a plan knows of tags that travel as baggage.
type propagation struct {
	owned  *baggage.Names     // of which members only tagproc writes
	remove []byte             // the entry of HeaderMutation.remove_headers
	over   prometheus.Counter // of requests whose tags are not in their baggage
}

func newPropagation(propagated rules.Owned, m *metrics) *propagation {
	return &propagation{
		owned:  baggage.NewNames(propagated.Headers, propagated.Prefixes),
		remove: encodeRemove(baggage.Header),
		over:   m.baggageOverLimits,
	}
}

// A baggageState is what a request has of the header baggage, and what becomes of
// it.
type baggageState struct {
	seen     int // entries in the request
	size     int // their names and values, in bytes
	rewriter baggage.Rewriter
	entry    []byte // of HeaderMutation.set_headers
}

// reset forgets the request.
func (b *baggageState) reset() {
	b.seen, b.size = 0, 0
	b.rewriter.Reset()
}

// maxScratchBaggage is the room for baggage that a scratch keeps for the next
// request, in bytes: more than fits through Envoy unless it is told to let it.
const maxScratchBaggage = 256 << 10

func (b *baggageState) isLarge() bool { return b.rewriter.Room()+cap(b.entry) > maxScratchBaggage }

// rewriteBaggage notes what becomes of the baggage in s, on which p.decide decided:
// the tags that it gets, and the members that the request has.
//
// Where tags of clients are trusted, only members that a tag replaces are removed.
func (p *plan) rewriteBaggage(s *scratch) {
	r := &s.baggage.rewriter
	if r.Owned = p.propagation.owned; p.trust {
		r.Owned = nil
	}
	r.UTF8 = s.request.usesValue()
	for i := range s.owned {
		if t := s.owned[i].tag; t != rules.NoTag && p.tags[t].member != nil {
			r.Write(p.tags[t].member)
		}
	}
	if s.baggage.seen == 0 {
		return
	}
	for i := range s.request.headers {
		if h := &s.request.headers[i]; string(h.key) == baggage.Header {
			r.Read(h.value)
		}
	}
}

// mutateBaggage adds to m what is to be done to the baggage in s, with the tags in
// it or without.
func (p *plan) mutateBaggage(m *mutation, s *scratch, withTags bool) {
	b := &s.baggage
	value, changed := b.rewriter.Result(withTags)
	if !changed {
		return
	}
	entry := p.propagation.remove
	if len(value) == 0 {
		m.removes++
	} else {
		b.entry = appendSetBaggage(b.entry[:0], value, s.request.usesValue())
		entry = b.entry
		m.sets++
		m.tags = m.tags || withTags && b.rewriter.Writes()
		m.resultHeaders++
		m.resultBytes += len(baggage.Header) + len(value)
	}
	m.size += len(entry)
	s.entries = append(s.entries, entry)
	m.resultHeaders -= b.seen
	m.resultBytes -= b.size
}

// The tags of the fields that an entry of HeaderMutation.set_headers is made of.
const (
	mutationSetHeaders = 1<<3 | byte(protowire.BytesType)  // HeaderMutation.set_headers
	optionHeader       = 1<<3 | byte(protowire.BytesType)  // HeaderValueOption.header
	optionAppendAction = 3<<3 | byte(protowire.VarintType) // HeaderValueOption.append_action
	headerKey          = 1<<3 | byte(protowire.BytesType)  // HeaderValue.key
	headerValue        = 2<<3 | byte(protowire.BytesType)  // HeaderValue.value
	headerRawValue     = 3<<3 | byte(protowire.BytesType)  // HeaderValue.raw_value
)

// overwriteOrAdd is HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD.
const overwriteOrAdd = 2

// appendSetBaggage appends what encodeSet returns for the header baggage.
func appendSetBaggage(dst, value []byte, plain bool) []byte {
	header := 1 + protowire.SizeBytes(len(baggage.Header)) + 1 + protowire.SizeBytes(len(value))
	option := 1 + protowire.SizeBytes(header) + 2
	dst = protowire.AppendVarint(append(dst, mutationSetHeaders), uint64(option))
	dst = protowire.AppendVarint(append(dst, optionHeader), uint64(header))
	dst = protowire.AppendString(append(dst, headerKey), baggage.Header)
	field := headerRawValue
	if plain {
		field = headerValue
	}
	dst = protowire.AppendBytes(append(dst, field), value)
	return append(dst, optionAppendAction, overwriteOrAdd)
}
