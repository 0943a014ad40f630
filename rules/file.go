package rules

import (
	"slices"
	"time"

	"github.com/tagproc/tagproc/source"
)

// MaxFileSize is the largest rules file that is read, in bytes.
const MaxFileSize = 1 << 20

// A File is a rules file as it was written: its structure is known, what it
// says is not yet checked. Only [Compile] makes use of it.
type File struct {
	Name string // for messages

	tagHeaders      *tagHeadersNode  // nil: not declared
	propagation     *propagationNode // nil: not declared
	forwarded       *forwardedNode   // nil: not declared
	exclusive       listOf[exclusiveNode]
	trustClientTags value[bool]
	rules           []ruleNode

	whole  source.Place // the file as a whole
	report source.Report
	cut    bool // reading was given up: what is here is not the whole
}

// pos is a place in the file. The zero pos is the file as a whole.
type pos = source.Place

// value is a scalar of the file and where it stands.
type value[T any] struct {
	pos pos
	v   T
	set bool // the key is there
	bad bool // the key is there and its value is of a wrong type, already reported
}

// ok reports whether the value is there and readable.
func (v value[T]) ok() bool { return v.set && !v.bad }

// listOf is a list of the file.
type listOf[T any] struct {
	pos      pos // of its key
	elements []T // those that are readable
	set      bool
	bad      bool // it is no list, or an element was not readable, already reported
}

type tagHeadersNode struct {
	headers, prefixes listOf[value[string]]
	bad               bool // it is no mapping, already reported
}

type propagationNode struct {
	pos               pos // of its key, or of the manifest's content
	headers, prefixes listOf[value[string]]
	bad               bool // it is no mapping, already reported
}

// addPrefixes adds the prefixes of one of the two keys that have them.
func (n *propagationNode) addPrefixes(l listOf[value[string]]) {
	if n.prefixes.set {
		l.elements, l.bad = slices.Concat(n.prefixes.elements, l.elements), l.bad || n.prefixes.bad
	}
	n.prefixes = l
}

type forwardedNode struct {
	pos     pos // of its key
	headers listOf[value[string]]
	bad     bool // it is no mapping, already reported
}

// An exclusiveNode is a list of "RULE/TAG" that no user has two of.
type exclusiveNode = listOf[value[string]]

type ruleNode struct {
	pos                     pos
	name, header, tagHeader value[string]
	description             value[string]
	hash, salt, mode        value[string]
	modulo                  value[int]
	match                   *matchNode // nil: there is none
	keys                    listOf[keyNode]
	overrides               listOf[overrideNode]
	policies                listOf[policyNode]
	partitions              listOf[partitionNode]
	otherKey                bool // a key that is refused stands in the place of header or keys
}

type keyNode struct {
	pos                   pos
	header, cookie, query value[string]
	visitor               *visitorNode // nil: there is none
	other                 bool         // a source that is refused, already reported
}

type visitorNode struct {
	pos                            pos
	cookie, path, domain, sameSite value[string]
	maxAge                         value[time.Duration]
	maxAgeText                     string // maxAge as it is written
	secure, httpOnly               value[bool]
	bad                            bool // it is no mapping, already reported
}

type matchNode struct {
	pos     pos
	hosts   listOf[value[string]]
	paths   listOf[pathNode]
	headers listOf[headerMatchNode]
	bad     bool // it is no mapping, already reported
}

type pathNode struct {
	pos           pos
	exact, prefix value[string]
}

type headerMatchNode struct {
	pos         pos
	name, exact value[string]
	present     value[bool]
}

type overrideNode struct {
	pos      pos
	key      *keyNode // nil: any key of the rule
	values   listOf[value[string]]
	tagValue value[string]
	none     value[bool]
}

type policyNode struct {
	pos           pos
	from, rng     value[int]
	ramp          listOf[rampNode]
	allowDecrease value[bool]
	tagValue      value[string]
}

type rampNode struct {
	pos pos
	at  value[time.Time]
	rng value[int]
}

type partitionNode struct {
	pos      pos
	size     value[int]
	tagValue value[string]
}

// problem notes an Error at p.
func (f *File) problem(p pos, k source.Kind, message string) {
	f.note(p, source.Error, k, message)
}

func (f *File) note(p pos, s source.Severity, k source.Kind, message string) {
	if p == (pos{}) {
		p = f.whole
	}
	f.report.Add(p.Problem(s, k, message))
}
