package processor

import (
	"strings"
	"sync"
	"sync/atomic"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tagproc/tagproc/baggage"
	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
)

// A plan is a Table with everything prepared to answer by it: which header names matter,
// the encoded pieces of replies, the counters. It is immutable and safe for concurrent
// use. The plans of the Tables that Table.At returns share everything except the Table
// and its metadata.
type plan struct {
	table  *rules.Table // nil: no rules yet
	plain  bool         // every key is a header, and no rule has a match
	trust  bool         // Table.TrustClientTags
	limits Limits

	names    map[string]name // headers of the request that matter
	prefixes []string        // headers that begin with one of these matter too
	spelled  rules.Owned     // other spellings of these matter too

	// filter keeps most other names away from the map: bit n of filter[c] says that
	// names of n bytes (63: or more) that begin with c may matter.
	filter [256]uint64

	// owned are the headers that tagproc sets or removes and knows by their full
	// name: the entry of HeaderMutation.remove_headers for each.
	owned [][]byte

	tags     []tag                         // by index of Table.Tags
	counters []perDecision[*atomic.Uint64] // by index of Table.Rules: of what no tally counts
	tallies  []*Tally                      // by index of Table.Rules; nil: the rule is not tallied
	absent   []prometheus.Counter          // by index of Table.Keys
	series   series                        // what these counters are

	propagation *propagation // nil: baggage is left alone
	metadata    *metadata    // nil: replies have none
	visitors    *visitors

	scratch *sync.Pool // of *scratch; those of another table do not fit
}

// A name is what a header name means. One of the two is -1, since rules never look at an
// owned header; for the header baggage both are.
type name struct {
	input int  // index of Table.Inputs
	owned int  // index of plan.owned
	draft bool // it is contract.CorrelationContext
}

// A tag is a rules.Tag.
type tag struct {
	owned  int // index of plan.owned
	header string
	value  string
	size   int    // of name and value in the request, in bytes
	raw    []byte // its entry of HeaderMutation.set_headers, in the field raw_value
	plain  []byte // the same in the field value

	member *baggage.Member // nil: the tag does not travel as baggage
}

// entry returns the entry of t in the field value if plain, else in raw_value.
func (t *tag) entry(plain bool) []byte {
	if plain {
		return t.plain
	}
	return t.raw
}

// newPlan returns the plan for t, or for no rules if t is nil. withMetadata says whether
// replies have dynamic metadata. Tallies of rules that stay as they are are those of before.
func newPlan(t *rules.Table, l Limits, withMetadata bool, m *metrics, before []*Tally) *plan {
	p := &plan{table: t, limits: l, names: map[string]name{}, series: newSeries()}
	p.scratch = &sync.Pool{New: func() any { return newScratch(p) }}
	if t == nil {
		return p
	}
	p.trust = t.TrustClientTags()
	p.plain = true
	for i, header := range t.Inputs() {
		p.names[header] = name{input: i, owned: -1}
	}
	for _, k := range t.Keys() {
		p.plain = p.plain && k.Source == rules.KeyHeader
		p.absent = append(p.absent, m.absentOf(k, p.series))
	}
	p.visitors = newVisitors(t)
	p.tallies = newTallies(t, before)
	for i, r := range t.Rules() {
		p.plain = p.plain && r.Match.IsZero()
		p.counters = append(p.counters, m.countersOf(r, p.tallies[i], p.series))
	}
	if withMetadata {
		p.metadata = newMetadata(t)
	}
	propagated := t.Propagated()
	for _, t := range t.Tags() {
		made := tag{
			owned:  p.own(t.Header),
			header: t.Header,
			value:  t.Value,
			size:   len(t.Header) + len(t.Value),
			raw:    encodeSet(&corev3.HeaderValue{Key: t.Header, RawValue: []byte(t.Value)}),
			plain:  encodeSet(&corev3.HeaderValue{Key: t.Header, Value: t.Value}),
		}
		if propagated.Contains(t.Header) {
			made.member = baggage.NewMember(t.Header, t.Value)
		}
		p.tags = append(p.tags, made)
	}
	if !propagated.IsZero() {
		p.propagation = newPropagation(propagated, m)
		p.names[contract.Baggage] = name{input: -1, owned: -1}
		if !p.trust {
			p.names[contract.CorrelationContext] = name{input: -1, owned: -1, draft: true}
		}
	}
	if !p.trust {
		for _, header := range t.Owned().Headers {
			p.own(header)
		}
		p.prefixes = t.Owned().Prefixes
		p.spelled = withSeparators(t.Owned())
	}
	for n := range p.names {
		p.filter[n[0]] |= lengthBit(len(n))
	}
	for _, prefix := range p.prefixes {
		p.filter[prefix[0]] |= -lengthBit(len(prefix)) // this length and every greater one
	}
	for _, header := range p.spelled.Headers {
		p.letFirst(header[0], lengthBit(len(header)))
	}
	for _, prefix := range p.spelled.Prefixes {
		p.letFirst(prefix[0], -lengthBit(len(prefix)))
	}
	return p
}

// withSeparators returns those of o that have other spellings.
func withSeparators(o rules.Owned) (some rules.Owned) {
	for _, header := range o.Headers {
		if strings.ContainsFunc(header, contract.IsSeparator) {
			some.Headers = append(some.Headers, header)
		}
	}
	for _, prefix := range o.Prefixes {
		if strings.ContainsFunc(prefix, contract.IsSeparator) {
			some.Prefixes = append(some.Prefixes, prefix)
		}
	}
	return some
}

// letFirst sets bits of the filter for names that begin with c or, if c is a separator,
// with any separator.
func (p *plan) letFirst(c byte, bits uint64) {
	if !contract.IsSeparator(c) {
		p.filter[c] |= bits
		return
	}
	for c := range p.filter {
		if contract.IsSeparator(byte(c)) {
			p.filter[c] |= bits
		}
	}
}

// own returns the index of the owned header, which is added if absent.
func (p *plan) own(header string) int {
	if n, ok := p.names[header]; ok {
		return n.owned
	}
	i := len(p.owned)
	p.owned = append(p.owned, encodeRemove(header))
	p.names[header] = name{input: -1, owned: i}
	return i
}

// mayMatter cheaply reports false for most header names that do not matter.
func (p *plan) mayMatter(name []byte) bool {
	return len(name) > 0 && p.filter[name[0]]&lengthBit(len(name)) != 0
}

// lengthBit returns the bit of plan.filter that stands for names of n bytes.
func lengthBit(n int) uint64 { return 1 << min(uint(n), 63) }

// hasOwnedPrefix reports whether name begins with an owned prefix.
func (p *plan) hasOwnedPrefix(name []byte) bool {
	for _, prefix := range p.prefixes {
		if len(name) >= len(prefix) && string(name[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// A perDecision has a T for each Decision that a rule can make.
type perDecision[T any] struct {
	others   [rules.ReasonNoKey + 1]T // if the rule does not apply, by Decision.Reason
	applied  []T                      // for each key: those of overrides, those of policies, that of no policy
	policies int                      // where those of policies begin
	perKey   int
}

// newPerDecision calls of for each reason with tag and key, "" for none.
func newPerDecision[T any](r rules.Rule, of func(reason rules.Reason, tag, key string) T) perDecision[T] {
	p := perDecision[T]{policies: len(r.Overrides), perKey: len(r.Overrides) + len(r.Policies) + 1}
	for reason := range p.others {
		p.others[reason] = of(rules.Reason(reason), "", "")
	}
	for _, k := range r.Keys {
		for _, o := range r.Overrides {
			p.applied = append(p.applied, of(rules.ReasonOverride, o.TagValue, k.String()))
		}
		for _, policy := range r.Policies {
			p.applied = append(p.applied, of(rules.ReasonPolicy, policy.TagValue, k.String()))
		}
		p.applied = append(p.applied, of(rules.ReasonNoPolicy, "", k.String()))
	}
	return p
}

// at returns the T for d.
func (p *perDecision[T]) at(d *rules.Decision) T {
	i := int(d.Key) * p.perKey
	switch d.Reason {
	case rules.ReasonOverride:
		return p.applied[i+int(d.Policy)]
	case rules.ReasonPolicy:
		return p.applied[i+p.policies+int(d.Policy)]
	case rules.ReasonNoPolicy:
		return p.applied[i+p.perKey-1]
	default:
		return p.others[d.Reason]
	}
}

// at returns the plan for another Table of the same file.
func (p *plan) at(t *rules.Table) *plan {
	stage := *p
	stage.table = t
	if p.metadata != nil {
		m := *p.metadata
		m.digest = digestEntries(t)
		stage.metadata = &m
	}
	return &stage
}
