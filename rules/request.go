package rules

// A Request is what the rules of one Table look at in an HTTP request. It fits
// every Table that [Table.At] returns of it, can be used again after Reset, and by
// one goroutine at a time.
type Request struct {
	// Mints says that a visitor who has no id is given one. Without it they have no
	// key. Reset leaves it as it is.
	Mints bool

	in        *inputs
	keySlots  []int    // by index of Table.Keys
	keys      []Key    // Table.keys
	values    [][]byte // by slot; nil: absent
	sums      []sum
	decisions []Decision

	of       *Table     // that Match was called on last
	programs []*program // of that table, with those in force: a slice of its own, or Table.compiled
	own      []*program // the slice of its own; nil: no rule has a ramp

	cookies  [][]byte // the headers cookie, in their order
	decoded  []byte   // values of the query that had to be decoded
	host     []byte
	path     []byte
	query    []byte
	read     part // what was taken out of headers already
	given    [VisitorIDSize]byte
	isGiven  bool
	idSource *idSource // nil: no rule has visitors
}

// part is a set of things that are read from a request when the first rule asks for
// them.
type part uint8

const (
	readCookies part = 1 << iota
	readQuery
	readPlace
)

// sum is the hash of a key, once it is computed.
type sum struct {
	value uint64
	known bool
}

// NewRequest returns an empty Request for t.
func (t *Table) NewRequest() *Request {
	r := &Request{
		in:        t.in,
		keys:      t.keys,
		keySlots:  t.keySlots,
		values:    make([][]byte, t.in.size),
		sums:      make([]sum, t.sums),
		decisions: make([]Decision, len(t.rules)),
	}
	if len(t.visitors) > 0 {
		r.idSource = &idSource{}
	}
	r.use(t)
	return r
}

// use makes the programs in force in t those of r. Tables of a file differ in few of
// them: a list for each Table would take thousands of pointers for each step of a ramp.
func (r *Request) use(t *Table) {
	r.of, r.programs = t, t.compiled
	if len(t.ramped) == 0 {
		return
	}
	if r.own == nil {
		r.own = make([]*program, len(t.compiled))
	}
	copy(r.own, t.compiled)
	r.programs = r.own
	for i, p := range r.programs {
		if p.ramp > 0 {
			r.programs[i] = t.ramped[p.ramp-1]
		}
	}
}

// The room that a Request keeps for the next one: in cookie headers, and in bytes of
// decoded values. Envoy sends less unless it is told to.
const (
	maxCookieHeaders = 128
	maxDecoded       = 64 << 10
)

// Reset forgets everything about the last request.
func (r *Request) Reset() {
	clear(r.values)
	clear(r.sums)
	if r.read == 0 && r.cookies == nil && !r.isGiven {
		return
	}
	clear(r.cookies)
	r.cookies, r.decoded = r.cookies[:0], r.decoded[:0]
	if cap(r.cookies) > maxCookieHeaders {
		r.cookies = nil
	}
	if cap(r.decoded) > maxDecoded {
		r.decoded = nil
	}
	r.host, r.path, r.query, r.read, r.isGiven = nil, nil, nil, 0, false
}

// SetHeader adds a header of the request, whose name is Inputs()[i]. If a header comes
// several times, the first counts; several headers cookie are read as one. The value is
// not copied: it must stay as it is until Reset.
func (r *Request) SetHeader(i int, value []byte) {
	if i == r.in.cookie {
		r.cookies = append(r.cookies, value)
	}
	r.set(i, value)
}

// SetKey sets the value of Keys()[i], for callers that know it and not the request. The
// first call counts. The value is not copied: it must stay as it is until Reset. Set the
// headers of a Request or its keys, not both.
func (r *Request) SetKey(i int, value []byte) {
	if r.keys[i].Source != KeyHeader {
		r.read |= readCookies | readQuery
	}
	r.set(r.keySlots[i], value)
}

// set sets a slot to value without the blanks around it (see [TrimBlanks]).
func (r *Request) set(slot int, value []byte) {
	if r.values[slot] != nil {
		return
	}
	if value = TrimBlanks(value); value == nil {
		value = []byte{}
	}
	r.values[slot] = value
}

// Key returns the value of Keys()[i], empty when the request has none. It is the id
// that a visitor is given if Match gave one.
func (r *Request) Key(i int) []byte { return r.key(r.keys[i].Source, r.keySlots[i]) }

// Absent reports whether the request has no Keys()[i], as far as Match had to look:
// cookies and the query are read only if some rule comes to them.
func (r *Request) Absent(i int) bool {
	switch r.keys[i].Source {
	case KeyHeader:
		return len(r.values[r.keySlots[i]]) == 0
	case KeyCookie:
		return r.read&readCookies != 0 && len(r.values[r.keySlots[i]]) == 0
	case KeyQuery:
		return r.read&readQuery != 0 && len(r.values[r.keySlots[i]]) == 0
	default:
		return r.read&readCookies != 0 && !isVisitorID(r.values[r.keySlots[i]])
	}
}

// key returns the value of a key.
func (r *Request) key(s KeySource, slot int) []byte {
	switch s {
	case KeyCookie:
		r.readCookies()
	case KeyQuery:
		r.readQuery()
	case KeyVisitor:
		r.readCookies()
		switch {
		case isVisitorID(r.values[slot]):
		case r.isGiven:
			return r.given[:]
		default:
			return nil
		}
	}
	return r.values[slot]
}

// Given returns the id that Match gave the visitor, nil if it gave none.
func (r *Request) Given() []byte {
	if !r.isGiven {
		return nil
	}
	return r.given[:]
}

// mint gives the visitor an id, the same for every rule.
func (r *Request) mint() []byte {
	if !r.isGiven {
		r.idSource.draw(&r.given)
		r.isGiven = true
	}
	return r.given[:]
}

// readCookies fills the slots of cookies, once.
func (r *Request) readCookies() {
	if r.read&readCookies != 0 {
		return
	}
	r.read |= readCookies
	for _, rest := range r.cookies {
		for {
			name, value, after, ok := nextCookie(rest)
			if !ok {
				break
			}
			if slot, wanted := r.in.cookies.of(name); wanted {
				r.set(slot, value)
			}
			rest = after
		}
	}
}

// readPlace finds host, path and query, once.
func (r *Request) readPlace() {
	if r.read&readPlace != 0 {
		return
	}
	r.read |= readPlace
	if r.in.authority >= 0 {
		r.host = hostOf(r.values[r.in.authority])
	}
	if r.in.path >= 0 {
		r.path, r.query = splitPath(r.values[r.in.path])
	}
}

// readQuery fills the slots of parameters of the query, once.
func (r *Request) readQuery() {
	if r.read&readQuery != 0 {
		return
	}
	r.read |= readQuery
	r.readPlace()
	var decoded [3 * maxNameLength]byte
	for rest := r.query; ; {
		name, value, after, ok := nextParameter(rest)
		if !ok {
			return
		}
		rest = after
		if isEncoded(name) {
			if len(name) > len(decoded) {
				continue // it stands for more than any name has
			}
			name = appendDecoded(decoded[:0], name)
		}
		slot, wanted := r.in.queries.of(name)
		if !wanted || r.values[slot] != nil {
			continue
		}
		if isEncoded(value) {
			start := len(r.decoded)
			r.decoded = appendDecoded(r.decoded, value)
			value = r.decoded[start:len(r.decoded):len(r.decoded)]
		}
		r.set(slot, value)
	}
}
