package shares

import (
	"fmt"
	"slices"
	"time"

	"github.com/tagproc/tagproc/rules"
)

// Options say what is compared.
type Options struct {
	// At is the instant at which both tables decide where they have ramps; zero: the
	// one that each Table is of.
	At time.Time
	// Next adds what the next step of a ramp of after moves, behind At.
	Next bool
}

// A Diff is who moves between two tables.
type Diff struct {
	Before      string       `json:"digestBefore"` // "" where there were no rules
	After       string       `json:"digestAfter"`
	At          *time.Time   `json:"at,omitempty"`   // the instant of the comparison; nil: neither table has ramps, or none was given
	Comparisons []Comparison `json:"comparisons"`    // by tag header, then in the order of the rules before
	Next        *Next        `json:"next,omitempty"` // the next step of a ramp
	Notes       []string     `json:"notes"`          // what else a reader must know
	Moves       Figure       `json:"moving"`         // who changes any tag
	People      *People      `json:"people,omitempty"`

	// Trusts says that clients' tags come to stay: trustClientTags becomes true, or a header is
	// not owned any more. Whoever sends a tag has it then, and no share tells who that is.
	Trusts bool `json:"trusts"`

	incomplete bool // somebody may move whom no Comparison has
}

// A Next is who moves at the next step of the ramps of the rules after.
type Next struct {
	At          time.Time    `json:"at"`
	Comparisons []Comparison `json:"comparisons"`
	Moves       Figure       `json:"moving"`
}

// A Method says how a Comparison is computed.
type Method string

// The methods.
const (
	ByBuckets     Method = "buckets"     // over the buckets, or the pairs of buckets, that one hash has
	ByHashes      Method = "hashes"      // over all 2^32 hashes, since their remainders are visibly uneven
	ByConstant    Method = "constant"    // before, or after, all of these users have one tag
	ByIndependent Method = "independent" // as products, since hash or salt differ
	ByBound       Method = "bound"       // not: the keys differ, so who is who only ids say
)

// A Comparison is what a change of rules does to the users for whom one rule and key
// decides a tag header before, and one after.
type Comparison struct {
	TagHeader string   `json:"tagHeader"`
	Before    *Decider `json:"before"` // nil: no rule decided, which gives no tag
	After     *Decider `json:"after"`  // nil: no rule decides

	Method     Method  `json:"method"`
	Why        string  `json:"why"`        // what the method follows from
	ErrorBound float64 `json:"errorBound"` // percentage points by which a share may be wrong, because remainders of hashes are uneven

	Shares []Shift `json:"shares"`           // of each tag, and of no tag
	Moves  []Move  `json:"moves"`            // the matrix, users who keep their tag included; empty of ByBound
	Moving Share   `json:"moving"`           // who changes the tag; of ByBound at most
	People []Count `json:"people,omitempty"` // of those whose ids are known, in the order of the moves
	Named  []Named `json:"named"`            // users whom an override names, before or after, and who change the tag

	cohort *Decider   // whose buckets decide who moves; nil: those of both
	moved  []interval // the buckets of cohort that move
}

// A Decider is a rule, and the key by which it knows the users.
type Decider struct {
	Rule   string `json:"rule"`
	Key    string `json:"key"`             // "header x-user-id"
	Match  string `json:"match,omitempty"` // "host shop.example.com"
	Hash   string `json:"hash"`
	Salt   string `json:"salt,omitempty"`
	Modulo uint32 `json:"modulo"`

	side   side
	choice choice
	ruler  []Piece
}

// A Shift is the share of one tag before and after.
type Shift struct {
	Tag    string `json:"tag"` // its value; "": no tag
	Before Share  `json:"before"`
	After  Share  `json:"after"`
}

// A Move is a share of users with the tag From before and To after; "": no tag.
type Move struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Share Share  `json:"share"`
}

// A Named is a user whom an override names, before or after.
type Named struct {
	User string `json:"user"`
	From string `json:"from"` // the tag before; "": no tag
	To   string `json:"to"`
}

// An interval is buckets from from to below to, whose users had a tag.
type interval struct {
	from, to uint32
	tag      string
}

// Compare returns who moves from before to after. Either may be nil, which tags nobody.
func Compare(before, after *rules.Table, o Options) *Diff {
	d := &Diff{Notes: []string{}}
	if before != nil {
		d.Before = before.Digest()
	}
	if after != nil {
		d.After = after.Digest()
	}
	if !o.At.IsZero() {
		if ramps(before) || ramps(after) {
			d.At = &o.At
		}
		before, after = at(before, o.At), at(after, o.At)
	}
	if before != nil && after != nil {
		for _, c := range rules.CommonChanges(before, after) {
			d.Notes = append(d.Notes, c.String())
			d.Trusts = d.Trusts || c.Kind == rules.ChangeTrust && after.TrustClientTags() || c.Kind == rules.ChangeOwned && c.After == ""
		}
	}
	var uncompared []string
	d.Comparisons, uncompared = compareAll(before, after)
	for _, header := range uncompared {
		d.Notes = append(d.Notes, fmt.Sprintf("%s has more than %d rules, and they apply to other requests than before: rules of one name are compared, and users who come to another rule are not", header, maxRules))
	}
	d.incomplete = len(uncompared) > 0
	d.Moves = d.atMost(moving(d.Comparisons))
	d.note("before", before)
	d.note("after", after)
	if o.Next && after != nil {
		now := o.At
		if now.IsZero() {
			now = after.Since()
		}
		if _, next := after.At(now); !next.IsZero() {
			then, _ := after.At(next)
			d.Next = &Next{At: next}
			d.Next.Comparisons, _ = compareAll(after, then) // the same requests
			d.Next.Moves = moving(d.Next.Comparisons)
		}
	}
	return d
}

func ramps(t *rules.Table) bool { return t != nil && t.HasRamps() }

func at(t *rules.Table, instant time.Time) *rules.Table {
	if t == nil {
		return nil
	}
	t, _ = t.At(instant)
	return t
}

// note notes the rules of t that give no tag.
func (d *Diff) note(when string, t *rules.Table) {
	if t == nil {
		return
	}
	for _, r := range t.Rules() {
		if r.Mode != rules.ModeEnforce {
			d.Notes = append(d.Notes, fmt.Sprintf("%s: rule %s is %s, and gives no tag", when, r.Name, r.Mode))
		}
	}
}

// compareAll compares the rules of each tag header, and returns the headers some of whose
// users it had to leave out.
func compareAll(before, after *rules.Table) (all []Comparison, uncompared []string) {
	all = []Comparison{}
	for _, header := range tagHeaders(before, after) {
		b, a := newSide(before, header), newSide(after, header)
		found, complete := crossings(b, a)
		if !complete {
			uncompared = append(uncompared, header)
		}
		for _, c := range found {
			all = append(all, compareOne(header, b.decider(c[0]), a.decider(c[1])))
		}
	}
	return all, uncompared
}

// tagHeaders returns the tag headers of both tables, those of before first.
func tagHeaders(tables ...*rules.Table) (headers []string) {
	for _, t := range tables {
		if t == nil {
			continue
		}
		for _, h := range t.TagHeaders() {
			if !slices.Contains(headers, h) {
				headers = append(headers, h)
			}
		}
	}
	return headers
}

func (s side) decider(c choice) *Decider {
	if c == nobody {
		return nil
	}
	r := &s.all[c.rule]
	return &Decider{
		Rule: r.Name, Key: r.Keys[c.key].String(), Match: r.Match.String(), Hash: r.Hash.String(), Salt: r.Salt, Modulo: r.Modulo,
		side: s, choice: c, ruler: Ruler(s.table, c.rule),
	}
}

// decide returns the tag that d gives to an id, and the bucket of it; -1: the id is named,
// or d is nil.
func (d *Decider) decide(id []byte) (tag string, bucket int64) {
	if d == nil {
		return "", -1
	}
	in := d.side.table.Decide(d.choice.rule, d.choice.key, id)
	if in.Tag != rules.NoTag {
		tag = d.side.tags[in.Tag].Value
	}
	if in.Reason == rules.ReasonOverride {
		return tag, -1
	}
	return tag, int64(in.Bucket)
}

// rulerOrNone returns the ruler of d; that of nil gives everybody no tag.
func (d *Decider) rulerOrNone() []Piece {
	if d == nil {
		return []Piece{{0, 1, ""}}
	}
	return d.ruler
}

// uneven returns the unevenness of the buckets of d, which matters where they differ.
func (d *Decider) uneven() float64 {
	if d == nil || len(d.ruler) == 1 {
		return 0
	}
	return unevenness(d.hash(), uint64(d.Modulo))
}

func (d *Decider) hash() rules.Hash {
	if d.Hash == rules.XXH3.String() {
		return rules.XXH3
	}
	return rules.FNV1a32
}

// visible is the unevenness from which on two decimals of a percentage show it.
const visible = 0.005 / 100

func compareOne(header string, b, a *Decider) Comparison {
	c := Comparison{TagHeader: header, Before: b, After: a, Shares: []Shift{}, Moves: []Move{}, Named: []Named{}}
	from, to := b.rulerOrNone(), a.rulerOrNone()
	var cases counts
	counted := true
	switch {
	case len(from) == 1 || len(to) == 1:
		c.Method, c.Why = ByConstant, constantWhy(b, a, from, to)
		cases, counted = product(from, to)
		c.ErrorBound = 100 * (b.uneven() + a.uneven())
	case b.Key != a.Key:
		c.Method, c.Why = ByBound, fmt.Sprintf("the key is %s before and %s after, so only ids say who is who", b.Key, a.Key)
		c.ErrorBound = 100 * (b.uneven() + a.uneven())
	case b.Hash != a.Hash || b.Salt != a.Salt:
		c.Method, c.Why = ByIndependent, "hash or salt differ, so buckets before and after are independent"
		cases, counted = product(from, to)
		c.ErrorBound = 100 * (b.uneven() + a.uneven())
	default:
		c.Method = ByBuckets
		cases, counted = joint(from, to)
		pairs := cases.of
		uneven := unevenness(a.hash(), pairs)
		c.Why = fmt.Sprintf("key, hash and salt stay: over the same %d buckets", a.Modulo)
		if a.Modulo != b.Modulo {
			c.Why = fmt.Sprintf("key, hash and salt stay: over the %d pairs of buckets of modulo %d and %d that a hash has", cases.of, b.Modulo, a.Modulo)
		}
		if counted && uneven > visible && a.hash() == rules.FNV1a32 {
			switch all, ok := overHashes(hashes, cases, from, to); {
			case ok:
				c.Method, cases, uneven = ByHashes, all, 0
				c.Why = fmt.Sprintf("key, hash and salt stay: over all 2^32 hashes, whose remainders by %d are uneven", pairs)
			case uneven == 1:
				c.Method = ByBound
				c.Why = fmt.Sprintf("modulo %d and %d have more pairs of buckets than there are hashes, and too many ranges to count these", b.Modulo, a.Modulo)
			}
		}
		c.ErrorBound = 100 * uneven
	}
	if !counted {
		c.Method = ByBound
		c.Why = fmt.Sprintf("there are too many pairs of tags to count: %d tags before, %d after", len(distribution(from)), len(distribution(to)))
	}
	c.setShares(from, to)
	c.setMoved(from, to)
	if c.Method == ByBound {
		c.Moving = mostMoving(from, to)
	} else {
		c.setMoves(cases)
	}
	c.Named = namedOf(b, a)
	return c
}
