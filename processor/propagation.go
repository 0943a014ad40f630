package processor

import (
	"github.com/prometheus/client_golang/prometheus"

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
	seen int    // entries in the request
	size int    // their names and values, in bytes
	made []byte // entries of HeaderMutation.set_headers

	rewriter  baggage.Rewriter  // for Gateway
	restorer  baggage.Restorer  // for Restore and Recompute
	collector baggage.Collector // for Collect
}

// reset forgets the request.
func (b *baggageState) reset() {
	b.seen, b.size = 0, 0
	b.rewriter.Reset()
	b.restorer.Reset()
	b.collector.Reset()
}

// maxScratchBaggage is the room for baggage that a scratch keeps for the next
// request, in bytes: more than fits through Envoy unless it is told to let it.
const maxScratchBaggage = 256 << 10

func (b *baggageState) isLarge() bool {
	return b.rewriter.Room()+b.restorer.Room()+b.collector.Room()+cap(b.made) > maxScratchBaggage
}

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
		b.made = appendSet(b.made[:0], baggageName, value, s.request.usesValue())
		entry = b.made
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
