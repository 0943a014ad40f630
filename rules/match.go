package rules

// NoTag is the Tag of a Decision that gives none.
const NoTag = -1

// Reason says what decided.
type Reason uint8

// The reasons of a Decision.
const (
	ReasonOff        Reason = iota // the rule is switched off
	ReasonSuperseded               // an earlier rule owns the outcome of the tag header
	ReasonNoMatch                  // a condition of the rule's match does not hold: the rule does not apply
	ReasonNoKey                    // every key is absent or empty: the rule does not apply
	ReasonOverride                 // the key is a named user
	ReasonPolicy                   // a policy took the bucket
	ReasonNoPolicy                 // no policy took the bucket: no tag
)

var reasonNames = []string{
	ReasonOff: "off", ReasonSuperseded: "superseded", ReasonNoMatch: "no_match", ReasonNoKey: "no_key",
	ReasonOverride: "override", ReasonPolicy: "policy", ReasonNoPolicy: "no_policy",
}

// String returns the reason as it stands in metrics: "no_policy".
func (r Reason) String() string { return reasonNames[r] }

// A Decision is what one rule says of one request, and why.
type Decision struct {
	Reason Reason
	Mode   Mode
	Key    int8   // index into Rule.Keys of the key that was taken, else -1
	Minted bool   // whether the key is an id that the visitor is given by this decision
	Policy int32  // index of the policy or override that decided, or of ReasonNoMatch an Unmet, else -1
	Tag    int32  // index into Table.Tags, or NoTag
	Bucket uint32 // for ReasonPolicy and ReasonNoPolicy
	Hash   uint64 // for the same reasons: the bucket is its remainder
}

// The Policy of a Decision with ReasonNoMatch: which condition is the first that
// does not hold. The headers of the match are numbered from UnmetHeaders on.
const (
	UnmetHosts = iota
	UnmetPaths
	UnmetHeaders
)

// Applies reports whether the rule decided the outcome for its tag header, "no
// tag" included.
func (d Decision) Applies() bool { return d.Reason >= ReasonOverride }

// Writes reports whether the tag of the decision is written to the request.
func (d Decision) Writes() bool { return d.Mode == ModeEnforce && d.Tag != NoTag }

// Match decides every rule for r, which must be of this Table or of one that At
// returns of it, and returns one Decision for each, in the order of the file. The
// slice belongs to r and is valid until the next Match. Match allocates nothing.
func (t *Table) Match(r *Request) []Decision {
	var owned uint32 // one bit for each tag header
	if r.of != t {
		r.use(t)
	}
	for i, p := range r.programs {
		d := &r.decisions[i] // in place: a Decision is too big for registers
		*d = Decision{Mode: p.mode, Key: -1, Policy: -1, Tag: NoTag}
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

// program returns the program of the rule of an index at the instant of the Table.
func (t *Table) program(rule int) *program {
	p := t.compiled[rule]
	if p.ramp > 0 {
		p = t.ramped[p.ramp-1]
	}
	return p
}

// A program is a rule, ready to be executed.
type program struct {
	mode   Mode
	hash   Hash
	header uint32 // the bit of its tag header
	modulo uint32
	ramp   int32 // where in Table.ramped the program is that is in force, from 1; 0: it is this one
	seed   uint64
	plain  bool        // always, and the only key is a header: most rules
	first  programKey  // keys[0], without a pointer to follow
	when   *conditions // nil: always
	keys   []programKey
	steps  []step // bounds strictly ascending
	named  map[namedUser]outcome
}

// A programKey is a key, ready to be looked up.
type programKey struct {
	index  int8 // of program.keys
	source KeySource
	key    int // index of Table.keys
	slot   int // of Request.values
	sum    int // index of Request.sums

	overrides map[string]outcome // nil: nobody is named by this key
}

// outcome is what a policy or an override says.
type outcome struct{ policy, tag int32 }

// match decides the rule as if it were alone. The caller has set the mode of d, and
// nothing is decided in it.
func (p *program) match(r *Request, d *Decision) {
	k := &p.first
	var key []byte
	if p.plain {
		key = r.values[k.slot]
	} else {
		if p.when != nil {
			if unmet := p.when.unmet(r); unmet >= 0 {
				d.Reason, d.Policy = ReasonNoMatch, unmet
				return
			}
		}
		k, key = p.take(r, d)
	}
	if len(key) == 0 {
		d.Reason = ReasonNoKey
		return
	}
	d.Key = k.index
	if k.overrides != nil {
		if o, named := k.overrides[string(key)]; named {
			d.Reason, d.Policy, d.Tag = ReasonOverride, o.policy, o.tag
			return
		}
	}
	s := &r.sums[k.sum]
	if !s.known {
		*s = sum{value: p.hash.sum(key, p.seed), known: true}
	}
	d.Reason, d.Hash, d.Bucket = ReasonNoPolicy, s.value, uint32(s.value%uint64(p.modulo))
	if i := p.find(d.Bucket); i < len(p.steps) && p.steps[i].policy >= 0 {
		d.Reason, d.Policy, d.Tag = ReasonPolicy, p.steps[i].policy, p.steps[i].tag
	}
}

// take returns the first key that r has, and its value; it may give a visitor an id.
func (p *program) take(r *Request, d *Decision) (k *programKey, value []byte) {
	for i := range p.keys {
		k = &p.keys[i]
		if k.source == KeyHeader {
			value = r.values[k.slot]
		} else if value = r.key(k.source, k.slot); k.source == KeyVisitor && r.Mints {
			d.Minted = !isVisitorID(r.values[k.slot])
			if d.Minted {
				value = r.mint()
			}
		}
		if len(value) > 0 {
			return k, value
		}
	}
	return k, nil
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

// conditions are the match of a rule.
type conditions struct {
	hosts   []hostPattern // any of them; none: every host
	paths   []pathPattern // any of them; none: every path
	headers []headerCondition
}

// A headerCondition is about one header of the request.
type headerCondition struct {
	slot  int
	test  HeaderTest
	exact string
}

// unmet returns the first condition that does not hold for r, or -1.
func (c *conditions) unmet(r *Request) int32 {
	r.readPlace()
	if len(c.hosts) > 0 && !c.isHost(r.host) {
		return UnmetHosts
	}
	if len(c.paths) > 0 && !c.isPath(r.path) {
		return UnmetPaths
	}
	for i := range c.headers {
		h := &c.headers[i]
		value, holds := r.values[h.slot], false
		switch h.test {
		case HeaderExact:
			holds = value != nil && string(value) == h.exact
		case HeaderPresent:
			holds = value != nil
		case HeaderAbsent:
			holds = value == nil
		}
		if !holds {
			return UnmetHeaders + int32(i)
		}
	}
	return -1
}

func (c *conditions) isHost(host []byte) bool {
	for i := range c.hosts {
		if c.hosts[i].matches(host) {
			return true
		}
	}
	return false
}

func (c *conditions) isPath(path []byte) bool {
	for i := range c.paths {
		if c.paths[i].matches(path) {
			return true
		}
	}
	return false
}
