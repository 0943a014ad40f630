package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/source"
)

// propagate settles which tag headers travel as members of the header baggage. A
// declared name that is not a tag header is a warning, not an error: rules come and
// go, and a manifest may be for other headers too.
func (c *compiler) propagate(n *propagationNode) {
	if n == nil || n.bad {
		return
	}
	if len(n.headers.Elements)+len(n.prefixes.Elements) == 0 && !n.headers.Bad && !n.prefixes.Bad {
		c.file.problem(n.pos, source.KindMissing, "propagation names no header; list names under headers, beginnings of names under headerPrefixes, or both")
	}
	noCheck := func(string) string { return "" }
	declared := Owned{
		Headers:  c.headerNames(n.headers.Elements, "propagation header", noCheck),
		Prefixes: c.headerNames(n.prefixes.Elements, "propagation prefix", checkNoStar),
	}
	c.table.propagated = c.table.owned.And(declared)
	for _, v := range n.headers.Elements {
		if name := strings.ToLower(v.V); slices.Contains(declared.Headers, name) {
			c.travels(v, "header", Owned{Headers: []string{name}})
		}
	}
	for _, v := range n.prefixes.Elements {
		if prefix := strings.ToLower(v.V); slices.Contains(declared.Prefixes, prefix) {
			c.travels(v, "prefix", Owned{Prefixes: []string{prefix}})
		}
	}
	if c.table.propagated.IsZero() {
		return
	}
	names := slices.Concat(c.table.propagated.Headers, c.table.propagated.Prefixes)
	for _, h := range c.headers {
		if c.table.propagated.Contains(h) {
			names = append(names, h)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if wrong := checkTravels(name); wrong != "" {
			c.file.problem(n.pos, KindPropagation, wrong)
		}
	}
	for _, k := range c.keyPlaces {
		if k.V == contract.Baggage || k.V == contract.CorrelationContext {
			c.file.problem(k.Place, KindKeyIsTag, fmt.Sprintf("the key %q is a header that propagation changes; use another header as the key", k.V))
		}
	}
	for _, h := range c.matchPlaces {
		if h.V == contract.Baggage || h.V == contract.CorrelationContext {
			c.file.problem(h.Place, KindKeyIsTag, fmt.Sprintf("the header %q is one that propagation writes; match another header", h.V))
		}
	}
}

// travels warns of a declared name, called what in messages, that means no owned header.
func (c *compiler) travels(v source.Scalar[string], what string, declared Owned) {
	if c.table.owned.And(declared).IsZero() {
		c.file.note(v.Place, source.Warning, KindPropagation, fmt.Sprintf("the propagation %s %q names no tag header of this file and has no effect; declare it in tagHeaders, or remove it here", what, source.Shorten(v.V)))
	}
}

// checkTravels returns why name cannot be that of a baggage member, or "": libraries
// leave few characters alone there. Some decode percent signs and plus signs, some
// encode what a URL has encoded.
func checkTravels(name string) string {
	for _, r := range name {
		if !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.", r)) {
			return fmt.Sprintf("the tag header %q cannot travel as baggage: applications pass on the character %q in another form; use letters, digits, -, _ and .", source.Shorten(name), r)
		}
	}
	return ""
}
