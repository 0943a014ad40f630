package processor

import (
	"github.com/tagproc/tagproc/baggage"
	"github.com/tagproc/tagproc/rules"
)

// hop appends the reply to the request headers in s at a sidecar.
func (p *plan) hop(dst []byte, s *scratch, d Direction) ([]byte, outcome) {
	if d == Collect {
		return p.collect(dst, s)
	}
	p.restore(s)
	h := newHopReply(s)
	h.setRestored()
	if d == Recompute {
		p.decide(s)
		h.setDecided(p)
	}
	return h.reply(dst, p.limits, tagged)
}

// restore reads the tags in the baggage of s.request, as far as they travel.
func (p *plan) restore(s *scratch) {
	if p.propagation == nil {
		return
	}
	r := &s.baggage.restorer
	r.Names = p.propagation.owned
	for i := range s.request.headers {
		if h := &s.request.headers[i]; string(h.key) == baggage.Header {
			r.Read(h.value)
		}
	}
}

// collect appends the reply that has tags among the headers of s.request written
// into its baggage, as far as they travel.
func (p *plan) collect(dst []byte, s *scratch) ([]byte, outcome) {
	if p.propagation == nil {
		return appendEmpty(dst, requestHeaders), unchanged
	}
	b := &s.baggage
	c := &b.collector
	c.Names, c.UTF8 = p.propagation.owned, s.request.usesValue()
	for i := range s.request.headers {
		h := &s.request.headers[i]
		if string(h.key) != baggage.Header {
			c.Add(h.key, h.value)
			continue
		}
		b.seen++
		b.size += len(h.key) + len(h.value)
	}
	if !c.Collects() {
		return appendEmpty(dst, requestHeaders), unchanged
	}
	for i := range s.request.headers {
		if h := &s.request.headers[i]; string(h.key) == baggage.Header {
			c.Read(h.value)
		}
	}
	value, fits, changed := c.Result()
	o := tagged
	if !fits {
		o = cleaned
		p.propagation.over.Inc()
	}
	h := newHopReply(s)
	switch {
	case !changed:
	case len(value) == 0:
		h.remove(p.propagation.remove, b.seen, b.size)
	default:
		h.set(baggageName, value, b.seen, b.size)
	}
	return h.reply(dst, p.limits, o)
}

// A hopReply is what is done to the request in a scratch at a sidecar.
type hopReply struct {
	mutation
	s     *scratch
	plain bool
}

func newHopReply(s *scratch) hopReply {
	s.entries, s.baggage.made = s.entries[:0], s.baggage.made[:0]
	return hopReply{
		mutation: mutation{resultHeaders: len(s.request.headers), resultBytes: s.request.size},
		s:        s, plain: s.request.usesValue(),
	}
}

// set makes a header of value, in the place of those of the name, of which there
// are seen with size bytes.
func (h *hopReply) set(name, value []byte, seen, size int) {
	b := &h.s.baggage
	begin := len(b.made)
	b.made = appendSet(b.made, name, value, h.plain)
	h.add(b.made[begin:])
	h.sets++
	h.resultHeaders += 1 - seen
	h.resultBytes += len(name) + len(value) - size
}

// remove removes, by an entry of HeaderMutation, headers, of which there are seen
// with size bytes.
func (h *hopReply) remove(entry []byte, seen, size int) {
	h.add(entry)
	h.removes++
	h.resultHeaders -= seen
	h.resultBytes -= size
}

func (h *hopReply) add(entry []byte) {
	h.s.entries = append(h.s.entries, entry)
	h.size += len(entry)
}

// setRestored makes headers of what the baggage says, but of those that are there
// already, once and with the same value.
func (h *hopReply) setRestored() {
	r := &h.s.baggage.restorer
	for i := range r.Len() {
		name, value := r.Tag(i)
		if value == nil {
			continue
		}
		seen, size, same := h.s.request.find(name, value)
		if seen != 1 || !same {
			h.set(name, value, seen, size)
		}
	}
}

// setDecided sets the tags that the rules of p decided on, but of headers that are
// there, and of those that the baggage says.
func (h *hopReply) setDecided(p *plan) {
	for i := range h.s.owned {
		o := &h.s.owned[i]
		if o.tag == rules.NoTag || o.seen > 0 || h.s.baggage.restorer.Has(p.tags[o.tag].header) {
			continue
		}
		t := &p.tags[o.tag]
		h.add(t.entry(h.plain))
		h.sets++
		h.resultHeaders++
		h.resultBytes += t.size
	}
}

// reply appends the reply, of which o is the outcome if anything changes. Over the
// limits nothing does: Envoy would answer 500.
func (h *hopReply) reply(dst []byte, l Limits, o outcome) ([]byte, outcome) {
	switch {
	case h.empty():
		return appendEmpty(dst, requestHeaders), unchanged
	case !h.canApply(l):
		return appendEmpty(dst, requestHeaders), overLimits
	}
	return h.s.appendReply(dst, h.mutation), o
}

// find returns how many headers of r have a name, how large they are in bytes, and
// whether the last one of them has the value.
func (r *request) find(name, value []byte) (seen, size int, same bool) {
	for i := range r.headers {
		if h := &r.headers[i]; string(h.key) == string(name) {
			seen++
			size += len(h.key) + len(h.value)
			same = string(h.value) == string(value)
		}
	}
	return seen, size, same
}
