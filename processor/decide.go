package processor

import (
	"strings"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/internal/seen"
	"github.com/tagproc/tagproc/rules"
)

// answer appends the reply to the request headers in s.
func (p *plan) answer(dst []byte, s *scratch, d contract.Direction) (reply []byte, o outcome) {
	switch {
	case d == contract.UnknownDirection:
		return appendEmpty(dst, requestHeaders), unchanged
	case p.table == nil:
		return appendEmpty(dst, requestHeaders), noRules
	}
	switch {
	case s.request.exceeds(p.limits):
		reply, o = appendEmpty(dst, requestHeaders), overLimits
	case d == contract.Gateway:
		s.keys.Mints = true
		p.decide(s)
		reply, o = p.reply(dst, s)
		reply = p.visitors.append(reply, s)
	default:
		s.keys.Mints = false
		reply, o = p.hop(dst, s, d)
	}
	if p.metadata != nil {
		reply = p.metadata.append(reply, o, s.decisions)
	}
	return reply, o
}

// decide finds inputs of the rules and owned headers among the headers of s.request, asks
// the table, and notes in s.owned what to write. If all keys are headers and nothing else
// counts, no rule applies to a request without a key, and the table is asked only if the
// metadata must say so.
func (p *plan) decide(s *scratch) {
	for i := range s.owned {
		s.owned[i].tag = rules.NoTag
	}
	for i := range s.request.headers {
		if h := &s.request.headers[i]; p.mayMatter(h.key) {
			p.note(s, h)
		}
	}
	if p.plain && !p.anyKey(s) && p.metadata == nil {
		return
	}
	decisions := p.table.Match(s.keys)
	if !p.plain {
		p.anyKey(s)
	}
	for i := range decisions {
		d := &decisions[i]
		if tally := p.tallies[i]; tally != nil && d.Reason >= rules.ReasonPolicy {
			tally.add(d)
		} else if counter := p.counters[i].at(d); counter != nil {
			counter.Add(1)
		}
		if d.Writes() {
			s.owned[p.tags[d.Tag].owned].tag = d.Tag
		}
		if d.Minted && d.Mode == rules.ModeEnforce {
			s.visitors |= p.visitors.ofRule[i]
		}
	}
	s.decisions = decisions
}

// anyKey reports whether the request may have any key, and counts the absent ones.
func (p *plan) anyKey(s *scratch) (found bool) {
	for i, absent := range p.absent {
		if s.keys.Absent(i) {
			absent.Inc()
		} else {
			found = true
		}
	}
	return found
}

// note puts a header of the request where it belongs.
func (p *plan) note(s *scratch, h *header) {
	n, known := p.names[string(h.key)]
	switch {
	case known && n.input >= 0:
		s.keys.SetHeader(n.input, h.value)
	case known && n.owned >= 0:
		o := &s.owned[n.owned]
		o.add(h)
		o.value = h.value
	case known && n.draft:
		r := &s.baggage.draft.rewriter
		r.Owned, r.UTF8 = p.propagation.owned, s.request.usesValue()
		r.Read(h.value)
		s.baggage.draft.add(h)
	case known:
		s.baggage.add(h)
	case (p.hasOwnedPrefix(h.key) || p.spelled.Folds(h.key)) && isHeaderName(h.key):
		s.noteStray(h, p.limits.MaxHeaders)
	}
}

// noteStray notes a header that is owned by its prefix or its spelling, each name once, up
// to one name more than limit: Envoy does not remove more than limit, and the one more
// tells that some remain.
func (s *scratch) noteStray(h *header, limit int) {
	if len(s.strays) > limit {
		if i := s.strayNames.Index(h.key); i >= 0 {
			s.strays[i].add(h)
		}
		return
	}
	i, added := s.strayNames.Add(h.key)
	if added {
		s.strays = append(s.strays, stray{name: h.key})
	}
	s.strays[i].add(h)
}

// isHeaderName reports whether name is one that Envoy sends and accepts for a header: a
// token of RFC 9110, section 5.6.2, in lower case. Envoy answers the removal of anything
// else with a 500.
func isHeaderName(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c >= 0x7f || 'A' <= c && c <= 'Z' || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return len(name) > 0
}

// A scratch is the memory to answer one message. It fits the plan that made it.
type scratch struct {
	request    request
	keys       *rules.Request // nil without a table
	owned      []ownedState   // by index of plan.owned
	strays     []stray
	strayNames seen.Names
	baggage    baggageState

	mutation mutation
	visitors uint8 // bit i: the visitor gets the cookie of index i of Table.Visitors

	decisions []rules.Decision // of keys, by index of Table.Rules; nil: the table was not asked
}

// An ownedState is what a request has of an owned header, and what the rules decide.
type ownedState struct {
	count
	value []byte // of the last entry
	tag   int32  // index of plan.tags, or rules.NoTag
}

// A stray is a header of the request that is owned by its prefix or its spelling, and
// that no rule sets.
type stray struct {
	count
	name []byte
}

// maxScratch is the most bytes that a scratch keeps for the next request: more than the
// headers take that Envoy accepts by default.
const maxScratch = 64 << 10

func newScratch(p *plan) *scratch {
	s := &scratch{
		request: request{headers: make([]header, 0, 64), most: p.limits.MaxHeaders + spareHeaders},
		owned:   make([]ownedState, len(p.owned)),
		strays:  make([]stray, 0, 8),
	}
	s.mutation.entries = make([][]byte, 0, len(p.owned)+1)
	if p.table != nil {
		s.keys = p.table.NewRequest()
	}
	return s
}

// release gives s back to the plan that made it.
func (p *plan) release(s *scratch) {
	if s.room() > maxScratch {
		return
	}
	s.reset()
	p.scratch.Put(s)
}

// room is how much memory s keeps for the next request, in bytes, apart from what
// the rules take.
func (s *scratch) room() int {
	const slice = 24
	return cap(s.request.headers)*2*slice + cap(s.strays)*2*slice + s.strayNames.Room() + cap(s.mutation.entries)*slice + s.baggage.room()
}

// reset forgets the request. Nothing of it stays reachable.
func (s *scratch) reset() {
	s.request.begin(noPhase)
	clear(s.owned)
	clear(s.strays)
	s.strays = s.strays[:0]
	s.strayNames.Reset()
	s.baggage.reset()
	s.decisions, s.visitors = nil, 0
	if s.keys != nil {
		s.keys.Reset()
	}
}
