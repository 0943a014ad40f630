package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/source"
)

// Options are what a deployment says about every rules file that it loads.
type Options struct {
	// TagHeaders are the owned headers of files that declare none, as a bare
	// WasmPlugin cannot. Zero: those of the rules. Names in any case.
	TagHeaders Owned
}

// Compile checks everything that f says and makes a Table of it. The Table is
// nil exactly when Problems, which include those of [Parse], hold an Error.
func Compile(f *File, o Options) (*Table, source.Problems) {
	if f.cut {
		return nil, f.report.Problems()
	}
	c := compiler{
		file:  &File{Name: f.Name, whole: f.whole, report: f.report.Clone()},
		table: &Table{trust: f.trustClientTags.V},
		keys:  map[Key]int{},
		tags:  map[Tag]int32{},

		deciding: map[ownership]int{},
		cohorts:  map[cohort]cohortRule{},
	}
	c.exclusive = f.exclusive
	c.declare(f.tagHeaders, o.TagHeaders)
	names := c.names(f.rules)
	for i := range f.rules {
		c.rule(&f.rules[i], names[i])
	}
	c.own()
	c.propagate(f.propagation)
	c.forward(f.forwarded)
	c.link()
	c.exclude()

	problems := c.file.report.Problems()
	if c.file.report.Errors() > 0 {
		return nil, problems.Without(source.Note) // first things first
	}
	c.table.setDigest(digestOf(c.table))
	return c.table, problems
}

// A compiler makes a Table and notes on the way what is wrong.
type compiler struct {
	file     *File // takes the problems
	table    *Table
	declared *Owned   // nil: not declared
	headers  []string // the different tag headers
	keys     map[Key]int
	tags     map[Tag]int32
	made     [][]madePolicy // by index of table.rules
	named    []map[namedUser]outcome

	inputs       []source.Scalar[string] // the request headers that something needs, and where it stands
	keyPlaces    []source.Scalar[string] // the headers that are keys
	matchPlaces  []source.Scalar[string] // the headers of matches
	visitorLines []int                   // by index of table.visitors
	rampSteps    int
	rampRanges   int
	exclusive    source.List[exclusiveNode]
	deciding     map[ownership]int
	cohorts      map[cohort]cohortRule
}

// rule checks one rule and adds it to the table. Where something is wrong the
// rule is incomplete, and so is the table, which is then dropped.
func (c *compiler) rule(n *ruleNode, name string) {
	r := Rule{Name: name, Description: n.description.V, Modulo: c.modulo(n)}
	r.Match = c.match(n.match)
	r.Keys = c.whoKeys(n)
	r.TagHeader = c.tagHeader(n)
	r.Mode = oneOf(c, n.mode, "mode", KindMode, modeNames, ModeEnforce)
	r.Hash = oneOf(c, n.hash, "hash", KindHash, hashNames, FNV1a32)
	r.Salt = c.salt(n, r.Hash)
	c.unreachable(n, &r)
	c.noteCohort(n, &r)
	named := c.overrides(n, &r)
	made := c.policies(n, &r)
	for _, p := range made {
		r.Policies = append(r.Policies, p.Policy)
	}
	c.countHeader(n, r.TagHeader)
	c.table.rules = append(c.table.rules, r)
	c.made, c.named = append(c.made, made), append(c.named, named)
}

// ownership identifies what one enforced rule decides: a second rule with the same one
// never does.
type ownership struct {
	key       Key
	tagHeader string
}

// unreachable warns of an enforced rule that earlier ones always decide before: each
// of its keys is the key of a rule without match, or an earlier one has a visitor.
func (c *compiler) unreachable(n *ruleNode, r *Rule) {
	if r.Mode != ModeEnforce || len(r.Keys) == 0 || !n.tagHeader.OK() {
		return
	}
	visitors := ownership{Key{Source: KeyVisitor}, r.TagHeader}
	line, taken := c.deciding[visitors]
	if !taken {
		taken = true
		for i, k := range r.Keys {
			at, decided := c.deciding[ownership{k, r.TagHeader}]
			if taken = taken && decided; i == 0 {
				line = at
			}
		}
	}
	if taken {
		what := "the same header and tagHeader"
		if !n.header.Set {
			what = "its keys, and the same tagHeader"
		}
		c.file.note(n.pos, source.Warning, KindUnreachable, fmt.Sprintf("this rule can never decide: the rule in line %d has %s", line, what))
		return
	}
	if !r.Match.IsZero() {
		return
	}
	for _, k := range r.Keys {
		if k.Source == KeyVisitor {
			k = visitors.key
		}
		if o := (ownership{k, r.TagHeader}); c.deciding[o] == 0 {
			c.deciding[o] = n.pos.Line()
		}
	}
}

// names returns the name of each rule: as given, or its tagHeader, which a
// number follows where that is taken.
func (c *compiler) names(rules []ruleNode) []string {
	names := make([]string, len(rules))
	line := map[string]int{}
	var renamed []int // rules whose label needs a number
	for i := range rules {
		n := rules[i].name
		if !n.OK() {
			continue
		}
		label := labelOf(n.V)
		switch first, taken := line[label]; {
		case n.V == "":
			c.file.problem(n.Place, KindName, "the name is empty; leave it out, or give the rule one")
		case len(n.V) > maxNameLength:
			c.file.problem(n.Place, KindName, fmt.Sprintf("the name %q is longer than %d bytes", source.Shorten(n.V), maxNameLength))
		case label == "" || taken:
			renamed = append(renamed, i)
			if taken && label == n.V {
				c.file.note(n.Place, source.Note, KindName, fmt.Sprintf("the name %q is taken by the rule in line %d; labels must differ, so a number follows it in metrics and logs", source.Shorten(n.V), first))
			}
			fallthrough
		default:
			if label != n.V {
				c.file.note(n.Place, source.Note, KindName, fmt.Sprintf("the name %q has characters that a label cannot have; metrics and logs show its visible ASCII, without spaces", source.Shorten(n.V)))
			}
			if label != "" && !taken {
				line[label] = n.Line()
			}
		}
		names[i] = label
	}
	used := map[string]int{} // how often a text served as a name
	for i := range rules {
		again := slices.Contains(renamed, i)
		if rules[i].name.Set && !again || !rules[i].tagHeader.OK() {
			continue
		}
		base := strings.ToLower(rules[i].tagHeader.V)
		if again && names[i] != "" {
			base = names[i]
		}
		name := base
		for taken := true; taken; _, taken = line[name] {
			if used[base]++; used[base] > 1 {
				name = fmt.Sprintf("%s-%d", base, used[base])
			}
		}
		line[name] = rules[i].pos.Line()
		names[i] = name
	}
	return names
}

// labelOf returns what metrics and logs call a rule of a name: its visible ASCII,
// with a - for each run of anything else within.
func labelOf(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
	return strings.Join(words, "-")
}

func (c *compiler) modulo(n *ruleNode) uint32 {
	m := n.modulo
	switch {
	case !m.OK():
		return DefaultModulo
	case m.V < 1 || m.V > MaxModulo:
		c.file.problem(m.Place, KindModulo, fmt.Sprintf("modulo %d is not from 1 to %d; it is the number of buckets, 100 for whole percents", m.V, MaxModulo))
		return 0
	}
	return uint32(m.V)
}

func (c *compiler) salt(n *ruleNode, h Hash) string {
	switch {
	case !n.salt.OK():
		return ""
	case n.salt.V == "":
		c.file.problem(n.salt.Place, KindSalt, "the salt is empty; leave it out, or give it a text")
	case h != XXH3 && (!n.hash.Set || n.hash.OK() && n.hash.V == h.String()):
		c.file.problem(n.salt.Place, KindSalt, fmt.Sprintf("a salt has no effect on the hash %s; add \"hash: xxh3\" (which moves users to other buckets), or remove the salt", h))
	}
	return n.salt.V
}

// otherWords are what people write for a mode or a hash, beside misspellings.
var otherWords = map[string]string{
	"on": "enforce", "true": "enforce", "yes": "enforce", "enabled": "enforce", "enable": "enforce", "live": "enforce", "active": "enforce",
	"dry-run": "shadow", "dryrun": "shadow", "dry_run": "shadow", "observe": "shadow", "log": "shadow", "audit": "shadow",
	"false": "off", "no": "off", "disabled": "off", "disable": "off",
	"fnv": "fnv1a32", "fnv1a": "fnv1a32", "fnv-1a": "fnv1a32", "fnv32a": "fnv1a32", "xxhash": "xxh3", "xxh64": "xxh3",
}

// oneOf returns which of names v is, or fallback where v is not there.
func oneOf[T ~uint8](c *compiler, v source.Scalar[string], what string, k source.Kind, names []string, fallback T) T {
	if !v.OK() {
		return fallback
	}
	i := slices.Index(names, v.V)
	if i < 0 {
		meant := source.Nearest(v.V, names)
		if word, known := otherWords[strings.ToLower(v.V)]; known && slices.Contains(names, word) {
			meant = word
		}
		c.file.problem(v.Place, k, fmt.Sprintf("there is no %s %q%s; expected one of %s", what, source.Shorten(v.V), source.DidYouMean(meant), strings.Join(names, ", ")))
		return fallback
	}
	return T(i)
}
