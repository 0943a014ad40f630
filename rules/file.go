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
	exclusive       source.List[exclusiveNode]
	trustClientTags source.Scalar[bool]
	rules           []ruleNode

	whole  source.Place // the file as a whole
	report source.Report
	cut    bool // reading was given up: what is here is not the whole
}

// pos is a place in the file. The zero pos is the file as a whole.
type pos = source.Place

type tagHeadersNode struct {
	headers, prefixes source.List[source.Scalar[string]]
	bad               bool // it is no mapping, already reported
}

type propagationNode struct {
	pos               pos // of its key, or of the manifest's content
	headers, prefixes source.List[source.Scalar[string]]
	bad               bool // it is no mapping, already reported
}

// addPrefixes adds the prefixes of one of the two keys that have them.
func (n *propagationNode) addPrefixes(l source.List[source.Scalar[string]]) {
	if n.prefixes.Set {
		l.Elements, l.Bad = slices.Concat(n.prefixes.Elements, l.Elements), l.Bad || n.prefixes.Bad
	}
	n.prefixes = l
}

type forwardedNode struct {
	pos     pos // of its key
	headers source.List[source.Scalar[string]]
	bad     bool // it is no mapping, already reported
}

// An exclusiveNode is a list of "RULE/TAG": no user may have two tags of it.
type exclusiveNode = source.List[source.Scalar[string]]

type ruleNode struct {
	pos                     pos
	name, header, tagHeader source.Scalar[string]
	description             source.Scalar[string]
	hash, salt, mode        source.Scalar[string]
	modulo                  source.Scalar[int]
	match                   *matchNode // nil: there is none
	keys                    source.List[keyNode]
	overrides               source.List[overrideNode]
	policies                source.List[policyNode]
	partitions              source.List[partitionNode]
	otherKey                bool // a key that is refused stands in the place of header or keys
}

type keyNode struct {
	pos                   pos
	header, cookie, query source.Scalar[string]
	visitor               *visitorNode // nil: there is none
	other                 bool         // a source that is refused, already reported
}

type visitorNode struct {
	pos                            pos
	cookie, path, domain, sameSite source.Scalar[string]
	maxAge                         source.Scalar[time.Duration]
	maxAgeText                     string // maxAge as it is written
	secure, httpOnly               source.Scalar[bool]
	bad                            bool // it is no mapping, already reported
}

type matchNode struct {
	pos     pos
	hosts   source.List[source.Scalar[string]]
	paths   source.List[pathNode]
	headers source.List[headerMatchNode]
	bad     bool // it is no mapping, already reported
}

type pathNode struct {
	pos           pos
	exact, prefix source.Scalar[string]
}

type headerMatchNode struct {
	pos         pos
	name, exact source.Scalar[string]
	present     source.Scalar[bool]
}

type overrideNode struct {
	pos      pos
	key      *keyNode // nil: any key of the rule
	values   source.List[source.Scalar[string]]
	tagValue source.Scalar[string]
	none     source.Scalar[bool]
}

type policyNode struct {
	pos           pos
	from, rng     source.Scalar[int]
	ramp          source.List[rampNode]
	allowDecrease source.Scalar[bool]
	tagValue      source.Scalar[string]
}

type rampNode struct {
	pos pos
	at  source.Scalar[time.Time]
	rng source.Scalar[int]
}

type partitionNode struct {
	pos      pos
	size     source.Scalar[int]
	tagValue source.Scalar[string]
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
