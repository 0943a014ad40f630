package rules

import (
	"slices"
)

// Bounds of the language.
const (
	MaxModulo     = 1_000_000 // the most buckets of a rule
	DefaultModulo = 100       // the buckets of a rule that says nothing
	MaxTagHeaders = 32        // the most different tag headers of a file
)

// A Table is compiled rules. It is immutable and safe for concurrent use.
type Table struct {
	owned      Owned
	propagated Owned // some of owned
	declared   bool  // owned, and not just what the rules write
	trust      bool
	digest     string

	rules    []Rule    // as written, for people
	compiled []program // the same, for Match
	keys     []Key
	tags     []Tag
	sums     int // number of different (key, hash, seed)
}

// A KeySource says where in a request a key is found.
type KeySource uint8

// KeyHeader is a request header, named in lower case. A header that was sent
// several times counts with its first value.
const KeyHeader KeySource = iota

// String returns the name that rules files use.
func (s KeySource) String() string { return "header" }

// A Key is the place in a request of the user's id.
type Key struct {
	Source KeySource
	Name   string
}

// String returns for example "header x-user-id".
func (k Key) String() string { return k.Source.String() + " " + k.Name }

// A Tag is a header, in lower case, and a value that rules may give it.
type Tag struct{ Header, Value string }

// Mode says what becomes of the decisions of a rule.
type Mode uint8

// The modes of a rule.
const (
	ModeEnforce Mode = iota // decide and write
	ModeShadow              // decide, so that it can be counted, and write nothing
	ModeOff                 // do not decide
)

var modeNames = []string{ModeEnforce: "enforce", ModeShadow: "shadow", ModeOff: "off"}

// String returns the name that rules files use.
func (m Mode) String() string { return modeNames[m] }

// A Rule is one rule of a Table as its file has it, defaults filled in. Read
// only.
type Rule struct {
	Name      string
	Key       Key
	Modulo    uint32 // 1 to MaxModulo
	TagHeader string // lower case
	Hash      Hash
	Salt      string
	Mode      Mode
	Overrides []Override
	Policies  []Policy
}

// An Override decides for named users before the hash does.
type Override struct {
	Values   []string // of the key, blanks around them left out, compared byte by byte
	TagValue string   // empty: these users get no tag
}

// A Policy gives TagValue to the buckets below Range that no earlier policy of
// the rule took.
type Policy struct {
	Range    uint32 // 0 to the rule's modulo
	TagValue string
}

// Digest identifies what the rules mean: 16 hexadecimal digits. Tables with equal
// digests decide, name and own the same. Comments, the order of keys, defaults
// that are written out and a manifest around the rules do not change it.
func (t *Table) Digest() string { return t.digest }

// Rules returns the rules in the order of the file.
func (t *Table) Rules() []Rule { return slices.Clone(t.rules) }

// Keys returns the different keys of the rules. [Request.SetKey] takes an index
// into it.
func (t *Table) Keys() []Key { return slices.Clone(t.keys) }

// Tags returns the different tags that the rules may write. [Decision.Tag] is an
// index into it.
func (t *Table) Tags() []Tag { return slices.Clone(t.tags) }

// TagHeaders returns the different tag headers of the rules, in their order.
func (t *Table) TagHeaders() (headers []string) {
	for i := range t.rules {
		if h := t.rules[i].TagHeader; !slices.Contains(headers, h) {
			headers = append(headers, h)
		}
	}
	return headers
}

// Owned returns the headers that this deployment may ever write, and that it
// removes where a client sent them. No key is among them.
func (t *Table) Owned() Owned {
	return Owned{Headers: slices.Clone(t.owned.Headers), Prefixes: slices.Clone(t.owned.Prefixes)}
}

// DeclaresTagHeaders reports whether the owned headers are declared, by the file or
// by Options. If not they are those of the rules, and a rule with another one
// needs another configuration of Envoy.
func (t *Table) DeclaresTagHeaders() bool { return t.declared }

// Propagated returns those of the owned headers that travel the call chain as
// members of the W3C header baggage, because the file declares it; zero: none do.
// Where a rule sets one of them, a member of its name is written as well. A
// member of such a name that a client sent is a forged tag, since hops behind the
// gateway make headers of members.
func (t *Table) Propagated() Owned {
	return Owned{Headers: slices.Clone(t.propagated.Headers), Prefixes: slices.Clone(t.propagated.Prefixes)}
}

// TrustClientTags reports whether owned headers that a client sent, and that no
// rule sets, stay in the request.
func (t *Table) TrustClientTags() bool { return t.trust }

// Span returns the buckets [from, to) that share the outcome of bucket in the
// rule of index rule: its policy's part of the range, or what no policy takes.
func (t *Table) Span(rule int, bucket uint32) (from, to uint32) {
	p := &t.compiled[rule]
	i := p.find(bucket)
	if i > 0 {
		from = p.steps[i-1].bound
	}
	if i < len(p.steps) {
		return from, p.steps[i].bound
	}
	return from, p.modulo
}
