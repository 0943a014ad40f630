package processor

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	grpcmetadata "google.golang.org/grpc/metadata"

	"github.com/tagproc/tagproc/baggage"
	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
)

// directions is the number of directions, including the unknown one.
const directions = contract.UnknownDirection + 1

// directionOf returns the direction in the metadata of a stream. It logs the first one
// that is unknown, and no more: every request of such an Envoy has it.
func (p *Processor) directionOf(ctx context.Context) contract.Direction {
	said := grpcmetadata.ValueFromIncomingContext(ctx, contract.DirectionKey)
	if len(said) == 0 {
		return contract.Gateway
	}
	d := contract.ParseDirection(said[0])
	if d == contract.UnknownDirection && p.directionLogged.CompareAndSwap(false, true) {
		p.log.Error("Envoy sends an unknown direction, and its requests stay unchanged: correct initial_metadata of the filter's grpc_service",
			"key", contract.DirectionKey, "value", said[0], "expected", contract.DirectionNames())
	}
	return d
}

// A propagation is what a plan knows about tags that travel as baggage.
type propagation struct {
	owned       *baggage.Names // whose members only tagproc writes
	remove      []byte         // the entry of HeaderMutation.remove_headers
	removeDraft []byte
	over        prometheus.Counter // of requests whose tags are not in their baggage
}

func newPropagation(propagated rules.Owned, m *metrics) *propagation {
	return &propagation{
		owned:       baggage.NewNames(propagated.Headers, propagated.Prefixes),
		remove:      encodeRemove(contract.Baggage),
		removeDraft: encodeRemove(contract.CorrelationContext),
		over:        m.baggageOverLimits,
	}
}

// baggageName and draftName are contract.Baggage and contract.CorrelationContext.
var baggageName, draftName = []byte(contract.Baggage), []byte(contract.CorrelationContext)

// A baggageState is the header baggage of a request, and its changes.
type baggageState struct {
	count
	made []byte // entries of HeaderMutation.set_headers

	rewriter baggage.Rewriter // for Gateway

	// draft is contract.CorrelationContext, at the gateway: members that clients forged
	// are removed, and nothing is written.
	draft struct {
		count
		rewriter baggage.Rewriter
	}

	restorer  baggage.Restorer  // for Restore and Recompute
	collector baggage.Collector // for Collect
}

// reset forgets the request.
func (b *baggageState) reset() {
	b.count, b.draft.count = count{}, count{}
	b.rewriter.Reset()
	b.draft.rewriter.Reset()
	b.restorer.Reset()
	b.collector.Reset()
}

// room is how much memory b keeps for the next request, in bytes.
func (b *baggageState) room() int {
	return b.rewriter.Room() + b.draft.rewriter.Room() + b.restorer.Room() + b.collector.Room() + cap(b.made)
}

// rewriteBaggage notes the new baggage in s after p.decide: the tags that it gets, and
// the members that the request has.
//
// If tags of clients are trusted, only members that a tag replaces are removed.
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
		if h := &s.request.headers[i]; string(h.key) == contract.Baggage {
			r.Read(h.value)
		}
	}
}

// mutateBaggage adds to the mutation the change of the baggage in s, with the tags or
// without.
func (p *plan) mutateBaggage(s *scratch, withTags bool) {
	b := &s.baggage
	b.made = b.made[:0]
	if value, changed := b.rewriter.Result(withTags); changed {
		p.replaceBaggage(s, value)
		if len(value) > 0 && withTags && b.rewriter.Writes() {
			s.mutation.tags = true
		}
	}
	switch value, changed := b.draft.rewriter.Result(false); {
	case changed && len(value) == 0:
		s.mutation.remove(p.propagation.removeDraft, b.draft.count)
	case changed:
		s.set(draftName, value, b.draft.count)
	}
}

// replaceBaggage adds to the mutation that value becomes the baggage. An empty value
// removes it.
func (p *plan) replaceBaggage(s *scratch, value []byte) {
	if len(value) == 0 {
		s.mutation.remove(p.propagation.remove, s.baggage.count)
		return
	}
	s.set(baggageName, value, s.baggage.count)
}

// hop appends the reply to the request headers in s at a sidecar. Over the limits
// it changes nothing: Envoy would answer 500.
func (p *plan) hop(dst []byte, s *scratch, d contract.Direction) ([]byte, outcome) {
	s.baggage.made = s.baggage.made[:0]
	s.mutation.begin(&s.request)
	o := tagged
	switch d {
	case contract.Collect:
		o = p.collect(s)
	case contract.Recompute:
		p.restore(s)
		p.decide(s)
		p.setDecided(s)
	default:
		p.restore(s)
	}
	switch m := &s.mutation; {
	case m.empty():
		return appendEmpty(dst, requestHeaders), unchanged
	case !m.canApply(p.limits):
		return appendEmpty(dst, requestHeaders), overLimits
	}
	return s.appendMutation(dst), o
}

// restore turns the tags in the baggage of s.request that travel into headers. It leaves
// alone a header that the request has already, once and with the same value.
func (p *plan) restore(s *scratch) {
	if p.propagation == nil {
		return
	}
	r := &s.baggage.restorer
	r.Names = p.propagation.owned
	for i := range s.request.headers {
		if h := &s.request.headers[i]; string(h.key) == contract.Baggage {
			r.Read(h.value)
		}
	}
	for i := range r.Len() {
		name, value := r.Tag(i)
		if value == nil {
			continue
		}
		if had, same := s.request.find(name, value); had.seen != 1 || !same {
			s.set(name, value, had)
		}
	}
}

// setDecided sets the tags that the rules decided, except for headers that the request
// or its baggage has.
func (p *plan) setDecided(s *scratch) {
	plain := s.request.usesValue()
	for i := range s.owned {
		o := &s.owned[i]
		if o.tag == rules.NoTag || o.seen > 0 || s.baggage.restorer.Has(p.tags[o.tag].header) {
			continue
		}
		t := &p.tags[o.tag]
		s.mutation.set(t.entry(plain), t.size, o.count)
	}
}

// collect writes the tags among the headers of s.request that travel into its baggage,
// and returns the outcome if that changes anything.
func (p *plan) collect(s *scratch) outcome {
	if p.propagation == nil {
		return unchanged
	}
	b := &s.baggage
	c := &b.collector
	c.Names, c.UTF8 = p.propagation.owned, s.request.usesValue()
	for i := range s.request.headers {
		if h := &s.request.headers[i]; string(h.key) == contract.Baggage {
			b.add(h)
		} else {
			c.Add(h.key, h.value)
		}
	}
	if !c.Collects() {
		return unchanged
	}
	for i := range s.request.headers {
		if h := &s.request.headers[i]; string(h.key) == contract.Baggage {
			c.Read(h.value)
		}
	}
	value, fits, changed := c.Result()
	if changed {
		p.replaceBaggage(s, value)
	}
	if !fits {
		p.propagation.over.Inc()
		return cleaned
	}
	return tagged
}

// set adds to the mutation that value becomes the only header of a name. The request
// has had headers of that name.
func (s *scratch) set(name, value []byte, had count) {
	made := &s.baggage.made
	begin := len(*made)
	*made = appendSet(*made, name, value, s.request.usesValue())
	s.mutation.set((*made)[begin:], len(name)+len(value), had)
}

// find returns how many headers of r have a name, and whether the last of them has the
// value.
func (r *request) find(name, value []byte) (had count, same bool) {
	for i := range r.headers {
		if h := &r.headers[i]; string(h.key) == string(name) {
			had.add(h)
			same = string(h.value) == string(value)
		}
	}
	return had, same
}
