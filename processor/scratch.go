package processor

import "github.com/tagproc/tagproc/rules"

// A scratch is the memory that answering one message takes. It fits the plan
// that made it.
type scratch struct {
	request request
	keys    *rules.Request // nil without a table
	owned   []ownedState   // by index of plan.owned
	strays  []stray
	baggage baggageState
	entries [][]byte // of the reply's HeaderMutation, but for those of strays

	decisions []rules.Decision // of keys, by index of Table.Rules; nil: the table was not asked
}

// An ownedState is what a request has of an owned header, and what the rules
// want.
type ownedState struct {
	seen  int    // entries in the request
	size  int    // their names and values, in bytes
	value []byte // of the last entry
	tag   int32  // index of plan.tags, or rules.NoTag
}

// A stray is a header of the request that is owned by its prefix alone: no rule
// sets it.
type stray struct {
	name []byte
	seen int // entries in the request
	size int // their names and values, in bytes
}

// maxScratchHeaders is the room for headers that a scratch keeps for the next
// request: more than Envoy accepts unless it is told to.
const maxScratchHeaders = 1000

func newScratch(p *plan) *scratch {
	s := &scratch{
		request: request{headers: make([]header, 0, 64)},
		owned:   make([]ownedState, len(p.owned)),
		strays:  make([]stray, 0, 8),
		entries: make([][]byte, 0, len(p.owned)+1),
	}
	if p.table != nil {
		s.keys = p.table.NewRequest()
	}
	return s
}

// release gives s back to the plan that made it.
func (p *plan) release(s *scratch) {
	if cap(s.request.headers) > maxScratchHeaders || cap(s.strays) > maxScratchHeaders || s.baggage.isLarge() {
		return
	}
	s.reset()
	p.scratch.Put(s)
}

// reset forgets the request, so that nothing of it stays reachable.
func (s *scratch) reset() {
	s.request.begin(noPhase)
	clear(s.owned)
	clear(s.strays)
	s.strays = s.strays[:0]
	s.baggage.reset()
	s.decisions = nil
	if s.keys != nil {
		s.keys.Reset()
	}
}
