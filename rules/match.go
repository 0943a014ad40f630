package rules

// NoTag is the Tag of a Decision that gives none.
const NoTag = -1

// Reason says what decided.
type Reason uint8

// The reasons of a Decision.
const (
	ReasonOff        Reason = iota // the rule is switched off
	ReasonSuperseded               // an earlier rule owns the outcome of the tag header
	ReasonNoKey                    // the key is absent or empty: the rule does not apply
	ReasonOverride                 // the key is a named user
	ReasonPolicy                   // a policy took the bucket
	ReasonNoPolicy                 // no policy took the bucket: no tag
)

var reasonNames = []string{
	ReasonOff: "off", ReasonSuperseded: "superseded", ReasonNoKey: "no_key",
	ReasonOverride: "override", ReasonPolicy: "policy", ReasonNoPolicy: "no_policy",
}

// String returns the reason as it stands in metrics: "no_policy".
func (r Reason) String() string { return reasonNames[r] }

// A Decision is what one rule says of one request, and why.
type Decision struct {
	Reason Reason
	Mode   Mode
	Policy int32  // index of the policy or override that decided, else -1
	Tag    int32  // index into Table.Tags, or NoTag
	Bucket uint32 // for ReasonPolicy and ReasonNoPolicy
	Hash   uint64 // likewise: the bucket is its remainder
}

// Applies reports whether the rule decided the outcome for its tag header, "no
// tag" included.
func (d Decision) Applies() bool { return d.Reason >= ReasonOverride }

// Writes reports whether the tag of the decision is written to the request.
func (d Decision) Writes() bool { return d.Mode == ModeEnforce && d.Tag != NoTag }

// A Request is what the rules of one Table look at in an HTTP request. It can be
// used again after Reset, and by one goroutine at a time.
type Request struct {
	keys      [][]byte // by index of Table.Keys; nil or empty: absent
	sums      []sum
	decisions []Decision
}

// sum is the hash of a key, once it is computed.
type sum struct {
	value uint64
	known bool
}

// NewRequest returns an empty Request for t.
func (t *Table) NewRequest() *Request {
	return &Request{
		keys:      make([][]byte, len(t.keys)),
		sums:      make([]sum, t.sums),
		decisions: make([]Decision, len(t.rules)),
	}
}

// Reset forgets everything about the last request.
func (r *Request) Reset() {
	clear(r.keys)
	clear(r.sums)
}

// SetKey sets the value of Keys()[i], blanks around it left out (see [TrimBlanks]).
// The first call counts, until Reset. The value is not copied; it must stay as it
// is until then.
func (r *Request) SetKey(i int, value []byte) {
	if r.keys[i] == nil {
		if value == nil {
			value = []byte{}
		}
		r.keys[i] = TrimBlanks(value)
	}
}

// TrimBlanks returns value without the spaces and tabs around it, which are no part
// of the value of a header (RFC 9110, section 5.5). Envoy leaves them where a
// request came over HTTP/2. The result is a part of value, never nil if that is not.
func TrimBlanks[T string | []byte](value T) T {
	for len(value) > 0 && isBlank(value[0]) {
		value = value[1:]
	}
	for len(value) > 0 && isBlank(value[len(value)-1]) {
		value = value[:len(value)-1]
	}
	return value
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// Key returns the value of Keys()[i] as rules see it, nil when it was not set.
func (r *Request) Key(i int) []byte { return r.keys[i] }

// Match decides every rule for r, which must be of this Table, and returns one
// Decision for each, in the order of the file. The slice belongs to r and is
// valid until the next Match. Match allocates nothing.
func (t *Table) Match(r *Request) []Decision {
	var owned uint32 // one bit for each tag header
	for i := range t.compiled {
		p, d := &t.compiled[i], &r.decisions[i] // in place: a Decision is too big for registers
		d.Mode, d.Policy, d.Tag, d.Bucket, d.Hash = p.mode, -1, NoTag, 0, 0
		switch {
		case p.mode == ModeOff:
			d.Reason = ReasonOff
		case p.mode == ModeEnforce && owned&p.header != 0:
			d.Reason = ReasonSuperseded
		default:
			p.match(r, d)
			if p.mode == ModeEnforce && d.Applies() {
				owned |= p.header
			}
		}
	}
	return r.decisions
}

// A program is a rule, ready to be executed.
type program struct {
	mode      Mode
	hash      Hash
	header    uint32 // the bit of its tag header
	key       int    // index of Table.keys
	sum       int    // index of Request.sums
	seed      uint64
	modulo    uint32
	overrides map[string]outcome
	steps     []step // bounds strictly ascending
}

// outcome is what a policy or an override says.
type outcome struct{ policy, tag int32 }

// step gives outcome to the buckets below bound that no earlier step has.
type step struct {
	bound uint32
	outcome
}

// match decides the rule as if it were alone. It finds d with the mode, and with
// nothing decided.
func (p *program) match(r *Request, d *Decision) {
	key := r.keys[p.key]
	if len(key) == 0 {
		d.Reason = ReasonNoKey
		return
	}
	if p.overrides != nil {
		if o, named := p.overrides[string(key)]; named {
			d.Reason, d.Policy, d.Tag = ReasonOverride, o.policy, o.tag
			return
		}
	}
	s := &r.sums[p.sum]
	if !s.known {
		*s = sum{value: p.hash.sum(key, p.seed), known: true}
	}
	d.Reason, d.Hash, d.Bucket = ReasonNoPolicy, s.value, uint32(s.value%uint64(p.modulo))
	if i := p.find(d.Bucket); i < len(p.steps) {
		d.Reason, d.Policy, d.Tag = ReasonPolicy, p.steps[i].policy, p.steps[i].tag
	}
}

// find returns the index of the step that has bucket, or len(steps). It is a
// binary search: sort.Search would call a function for each step of it.
func (p *program) find(bucket uint32) int {
	lo, hi := 0, len(p.steps)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if bucket < p.steps[mid].bound {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}
