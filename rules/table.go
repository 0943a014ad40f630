package rules

import (
	"fmt"
	"slices"
	"strings"
)

// Bounds of the language.
const (
	MaxModulo     = 1_000_000 // the most buckets of a rule
	DefaultModulo = 100       // the buckets of a rule that says nothing
	MaxTagHeaders = 32        // the most different tag headers of a file
	MaxKeys       = 8         // the most keys of a rule
	MaxConditions = 64        // the most hosts, paths, and headers of a match
	MaxVisitors   = 4         // the most different cookies of visitors of a file
	MaxRampSteps  = 1000      // the most steps of all ramps of a file
	MaxRampRanges = 100_000   // the most ranges that the steps of a file make: of each rule, steps times policies
	MaxExclusive  = 256       // the most elements of all lists of exclusive
)

// A Table is compiled rules. It is immutable and safe for concurrent use.
//
// If policies have ramps, a Table decides as the file does at one instant. The Table of
// [Load] and [Compile] decides as before the first step of every ramp; [Table.At] returns
// the Table of another instant.
type Table struct {
	owned      Owned
	propagated Owned // some of owned
	declared   bool  // owned, and not just what the rules write
	trust      bool
	digest     string
	forwarded  []string // nil: not declared

	rules    []Rule     // as written, for people
	compiled []*program // the same, for Match, before the first step of a ramp; all Tables of a file share it
	ramped   []*program // of the rules with ramps, those in force
	keys     []Key
	keySlots []int // by index of keys
	in       *inputs
	visitors []Visitor
	tags     []Tag
	sums     int // number of different (key, hash, seed)

	schedule *schedule // nil: there are no ramps
	stage    int       // index of schedule.stages
}

// A KeySource says where in a request a key is found.
type KeySource uint8

// The sources of keys. Of several values of one name the first counts.
const (
	KeyHeader  KeySource = iota // a request header, named in lower case
	KeyCookie                   // a cookie of the header cookie
	KeyQuery                    // a parameter of the query in :path, percent-decoded
	KeyVisitor                  // a cookie with an id that tagproc gives
)

var keySourceNames = []string{KeyHeader: "header", KeyCookie: "cookie", KeyQuery: "query", KeyVisitor: "visitor"}

// String returns the name that rules files use.
func (s KeySource) String() string { return keySourceNames[s] }

// A Key is a place in a request where the user's id may be.
type Key struct {
	Source KeySource
	Name   string // of a visitor that of the cookie
}

// String returns for example "header x-user-id".
func (k Key) String() string { return k.Source.String() + " " + k.Name }

// Header returns the request header that holds k, in lower case.
func (k Key) Header() string {
	switch k.Source {
	case KeyCookie, KeyVisitor:
		return cookieHeader
	case KeyQuery:
		return pathHeader
	default:
		return k.Name
	}
}

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
	Name        string
	Description string
	Match       Match
	Keys        []Key  // the first that is there and not empty is taken
	Modulo      uint32 // 1 to MaxModulo
	TagHeader   string // lower case
	Hash        Hash
	Salt        string
	Mode        Mode
	Overrides   []Override
	Policies    []Policy
}

// A Match says which requests a rule is for: those that meet each condition that it
// has. The zero Match is met by every request.
type Match struct {
	Hosts   []string      // any of them, in lower case; "*.example.com" is every host below example.com
	Paths   []PathMatch   // any of them
	Headers []HeaderMatch // all of them
}

// Inputs returns the request headers that m is about, in lower case.
func (m Match) Inputs() (headers []string) {
	if len(m.Hosts) > 0 {
		headers = append(headers, authorityHeader)
	}
	if len(m.Paths) > 0 {
		headers = append(headers, pathHeader)
	}
	for _, h := range m.Headers {
		headers = append(headers, h.Name)
	}
	return headers
}

// IsZero reports whether m has no condition.
func (m Match) IsZero() bool { return len(m.Hosts)+len(m.Paths)+len(m.Headers) == 0 }

// String returns m in one line, such as "host shop.example.com, path /checkout…". It has
// all values: see [Table.MatchText].
func (m Match) String() string { return m.text(HeaderMatch.String) }

func (m Match) text(header func(HeaderMatch) string) string {
	var parts []string
	if len(m.Hosts) > 0 {
		parts = append(parts, "host "+strings.Join(m.Hosts, " or "))
	}
	var paths []string
	for _, p := range m.Paths {
		paths = append(paths, p.String())
	}
	if paths != nil {
		parts = append(parts, "path "+strings.Join(paths, " or "))
	}
	for _, h := range m.Headers {
		parts = append(parts, "header "+header(h))
	}
	return strings.Join(parts, ", ")
}

// MatchText returns m in one line without ids of users: "…" stands for what a header is
// compared with that holds a key of a rule of t.
func (t *Table) MatchText(m Match) string { return m.text(t.headerMatchText) }

func (t *Table) headerMatchText(h HeaderMatch) string {
	if h.Test == HeaderExact && slices.ContainsFunc(t.keys, func(k Key) bool { return k.Header() == h.Name }) {
		return h.Name + " = …"
	}
	return h.String()
}

// A PathMatch is met by one path, or by those whose segments begin with its own.
type PathMatch struct {
	Path   string
	Prefix bool
}

// String returns "/checkout…" for a prefix, and "/checkout" for the path itself.
func (p PathMatch) String() string {
	if p.Prefix {
		return p.Path + "…"
	}
	return p.Path
}

// A HeaderMatch is about the first header of a name.
type HeaderMatch struct {
	Name  string // in lower case
	Test  HeaderTest
	Exact string // of HeaderExact
}

// String returns "x-beta = "1"", "x-beta present" or "x-beta absent".
func (h HeaderMatch) String() string {
	switch h.Test {
	case HeaderPresent:
		return h.Name + " present"
	case HeaderAbsent:
		return h.Name + " absent"
	default:
		return fmt.Sprintf("%s = %q", h.Name, h.Exact)
	}
}

// HeaderTest says what a HeaderMatch asks of a header.
type HeaderTest uint8

// The tests of a header.
const (
	HeaderExact   HeaderTest = iota // its value is Exact
	HeaderPresent                   // it is there, with whatever value
	HeaderAbsent                    // it is not there
)

// An Override decides for named users before the hash does.
type Override struct {
	Key      *Key     // whose values; nil: those of any key of the rule
	Values   []string // of the key, blanks around them left out, compared byte by byte
	TagValue string   // empty: these users get no tag
}

// A Policy gives TagValue to the buckets from From to below Range that no earlier
// policy of the rule took.
type Policy struct {
	From     uint32
	Range    uint32 // 0 to the rule's modulo; of a ramp what it is at the Table's instant
	TagValue string
	Ramp     []RampStep // the schedule of Range, ascending; nil: it stays
}

// Digest identifies what the rules mean: 16 hexadecimal digits. Tables with equal digests
// decide, name and own the same. Comments, the order of keys, written-out defaults and a
// manifest around the rules do not change it.
func (t *Table) Digest() string { return t.digest }

// Rules returns the rules in the order of the file.
func (t *Table) Rules() []Rule {
	rules := slices.Clone(t.rules)
	if t.schedule == nil {
		return rules
	}
	for i := range rules {
		rules[i].Policies = slices.Clone(rules[i].Policies)
		for j := range rules[i].Policies {
			if p := &rules[i].Policies[j]; p.Ramp != nil {
				p.Range = t.rangeOf(p)
			}
		}
	}
	return rules
}

// Keys returns the different keys of the rules. [Request.SetKey] takes an index
// into it.
func (t *Table) Keys() []Key { return slices.Clone(t.keys) }

// KeyIndex returns the index into Keys of a key of the rules: that of index key of
// the rule of index rule.
func (t *Table) KeyIndex(rule, key int) int { return t.program(rule).keys[key].key }

// Inputs returns the names, in lower case, of the request headers that the rules
// look at, pseudo-headers included. [Request.SetHeader] takes an index into it.
func (t *Table) Inputs() []string { return slices.Clone(t.in.headers) }

// Forwarded returns the request headers that Envoy has to send beside tag headers,
// in lower case: those that the file declares, or else its Inputs.
func (t *Table) Forwarded() []string {
	if t.forwarded != nil {
		return slices.Clone(t.forwarded)
	}
	return t.Inputs()
}

// Visitors returns the different cookies by which visitors are known, in the order
// of the rules.
func (t *Table) Visitors() []Visitor { return slices.Clone(t.visitors) }

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

// DeclaresTagHeaders reports whether the owned headers are declared, by the file or by
// Options. If not, they are the tag headers of the rules, and a rule with a new tag header
// needs a new configuration of Envoy.
func (t *Table) DeclaresTagHeaders() bool { return t.declared }

// Propagated returns the owned headers that travel the call chain as members of the W3C
// header baggage, because the file declares it; zero: no header does. If a rule sets one
// of them, a member of its name is written too. If a client sends such a member, it is a
// forged tag, since hops behind the gateway make headers of members.
func (t *Table) Propagated() Owned {
	return Owned{Headers: slices.Clone(t.propagated.Headers), Prefixes: slices.Clone(t.propagated.Prefixes)}
}

// TrustClientTags reports whether owned headers that a client sent, and that no
// rule sets, stay in the request.
func (t *Table) TrustClientTags() bool { return t.trust }

// Span returns the buckets [from, to) that share the outcome of bucket in the
// rule of index rule: its policy's part of the range, or what no policy takes.
func (t *Table) Span(rule int, bucket uint32) (from, to uint32) {
	p := t.program(rule)
	i := p.find(bucket)
	if i > 0 {
		from = p.steps[i-1].bound
	}
	if i < len(p.steps) {
		return from, p.steps[i].bound
	}
	return from, p.modulo
}
