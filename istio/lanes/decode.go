package lanes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/source"
)

// maxNodes bounds the values that are visited. Only aliases of aliases have more.
const maxNodes = 600_000

// maxKeys bounds the keys of one mapping.
const maxKeys = 1000

// maxProblems bounds the problems that are listed.
const maxProblems = 1000

// A place is where something stands in a document.
type place struct {
	doc  *source.Document
	path []any
}

func (p place) at(step any) place {
	return place{p.doc, append(slices.Clone(p.path), step)}
}

func (p place) node() *yaml.Node { return p.doc.Node(p.path...) }

// A reader collects what is found wrong, and worth knowing, while it reads.
type reader struct {
	problems source.Problems
	notes    []Note
	others   []*source.Document // that are no lanes, Services or rules
	visited  int
}

func (r *reader) problem(p source.Problem) {
	switch {
	case len(r.problems) < maxProblems:
		r.problems = append(r.problems, p)
	case len(r.problems) == maxProblems:
		r.problems = append(r.problems, source.Problem{
			File: p.File, Kind: source.KindTooManyProblems, Message: fmt.Sprintf("there are more than %d problems; the rest is not listed", maxProblems),
		})
	}
}

func (r *reader) error(p place, k source.Kind, format string, args ...any) {
	r.problem(p.doc.Problem(source.Error, k, fmt.Sprintf(format, args...), p.path...))
}

func (r *reader) warn(p place, k source.Kind, format string, args ...any) {
	r.problem(p.doc.Problem(source.Warning, k, fmt.Sprintf(format, args...), p.path...))
}

func (r *reader) note(p place, format string, args ...any) {
	r.notes = append(r.notes, Note{Message: fmt.Sprintf(format, args...), at: p.doc.Problem(source.Warning, "", "", p.path...)})
}

// A field is one key that a mapping may have.
type field struct {
	name string
	read func(p place)
}

// A grammar is how strictly mappings are read.
type grammar struct {
	// unknown is what a key that no field has is: an Error in tagproc's own form,
	// a Warning in the manifests of others.
	unknown source.Severity
	// null says that a key without a value is as if it were not there.
	null bool
}

var (
	ours   = grammar{unknown: source.Error}
	theirs = grammar{unknown: source.Warning, null: true}
)

// mapping reads the mapping at p, which is called what in messages. It reports
// whether its keys are such as to say that a field is missing.
func (r *reader) mapping(g grammar, p place, what string, fields ...field) (ok bool) {
	n := r.visit(p)
	if n == nil {
		return false
	}
	if n.Kind != yaml.MappingNode {
		r.error(p, source.KindType, "%s is %s; expected a mapping with the keys %s", what, source.Describe(n), names(fields))
		return false
	}
	ok = true
	for key := range r.keys(p, n, what) {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == key.Value })
		switch {
		case i < 0 && g.unknown == source.Error:
			ok = false
			r.problem(p.doc.ProblemAt(key, source.Error, source.KindUnknownKey, fmt.Sprintf("%s has no key %q; expected one of %s", what, source.Shorten(key.Value), names(fields))))
		case i < 0:
			r.problem(p.doc.ProblemAt(key, source.Warning, source.KindUnsupported, fmt.Sprintf("%s.%s is not known to tagproc: nothing is made of it", what, source.Shorten(key.Value))))
		case p.at(key.Value).node() != nil:
			fields[i].read(p.at(key.Value))
		case !g.null:
			r.problem(p.doc.ProblemAt(key, source.Error, source.KindMissing, fmt.Sprintf("%q has no value; leave the key out where none is meant", key.Value)))
		}
	}
	return ok
}

// keys yields the keys of the mapping n, those that are strings, each once. It
// reports the others.
func (r *reader) keys(p place, n *yaml.Node, what string) func(yield func(*yaml.Node) bool) {
	return func(yield func(*yaml.Node) bool) {
		if len(n.Content) > 2*maxKeys {
			r.error(p, source.KindTooLarge, "%s has more than %d keys, the most that are read", what, maxKeys)
			return
		}
		lines := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.Tag != "!!str" {
				r.problem(p.doc.ProblemAt(key, source.Error, source.KindUnknownKey, fmt.Sprintf("%s has %s as a key; expected a string", what, source.Describe(key))))
				continue
			}
			if first, twice := lines[key.Value]; twice {
				r.problem(p.doc.ProblemAt(key, source.Error, source.KindDuplicateKey,
					fmt.Sprintf("the key %q stands here for the second time, first in line %d; remove one", source.Shorten(key.Value), first)))
				continue
			}
			lines[key.Value] = key.Line
			if !yield(key) {
				return
			}
		}
	}
}

// list reads each element of the list at p, the value of a key.
func (r *reader) list(p place, of string, read func(p place)) {
	n := r.visit(p)
	if n == nil {
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.error(p, source.KindType, "%q is %s; expected a list of %s", p.path[len(p.path)-1], source.Describe(n), of)
		return
	}
	for i := range n.Content {
		read(p.at(i))
	}
}

// visit returns what stands at p, or nil once too many values were visited.
func (r *reader) visit(p place) *yaml.Node {
	if r.visited++; r.visited > maxNodes {
		if r.visited == maxNodes+1 {
			r.error(p, source.KindAliases, "the files have more than %d values, their aliases written out; make them smaller", maxNodes)
		}
		return nil
	}
	n := p.node()
	if n == nil {
		r.error(p, source.KindMissing, "there is an empty element here; expected a value")
	}
	return n
}

// text reads a string.
func (r *reader) text(p place) text {
	t := text{at: p}
	n := r.visit(p)
	switch {
	case n == nil:
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		t.v, t.set = n.Value, true
	case n.Kind == yaml.ScalarNode:
		r.error(p, source.KindType, "expected a string, and this is %s: write %q, in quotes", source.Describe(n), n.Value)
	default:
		r.error(p, source.KindType, "expected a string, and this is %s", source.Describe(n))
	}
	return t
}

// asText returns the read function of a field.
func (r *reader) asText(t *text) func(p place) {
	return func(p place) { *t = r.text(p) }
}

// texts reads a list of strings.
func (r *reader) texts(p place, of string) (ts []text) {
	r.list(p, of, func(p place) {
		if t := r.text(p); t.set {
			ts = append(ts, t)
		}
	})
	return ts
}

// textMap reads a mapping of strings to strings. It is nil if it is none.
func (r *reader) textMap(p place, what string) map[string]string {
	n := r.visit(p)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.error(p, source.KindType, "%s is %s; expected a mapping of strings to strings", what, source.Describe(n))
		return nil
	}
	m := map[string]string{}
	for key := range r.keys(p, n, what) {
		t := r.text(p.at(key.Value))
		if !t.set {
			return nil
		}
		m[key.Value] = t.v
	}
	return m
}

// asBool returns the read function of a field.
func (r *reader) asBool(v, set *bool) func(p place) {
	return func(p place) {
		n := r.visit(p)
		if n == nil {
			return
		}
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			r.error(p, source.KindType, "expected true or false, and this is %s", source.Describe(n))
			return
		}
		*v, *set = strings.EqualFold(n.Value, "true"), true
	}
}

// number reads a whole number of at most limit.
func (r *reader) number(p place, low, limit int) (int, bool) {
	n := r.visit(p)
	if n == nil {
		return 0, false
	}
	i, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || i < low || limit < i {
		r.error(p, source.KindType, "expected a whole number from %d to %d, and this is %s", low, limit, source.Describe(n))
		return 0, false
	}
	return i, true
}

// names lists the names of fields for a message.
func names(fields []field) string {
	var ns []string
	for _, f := range fields {
		ns = append(ns, f.name)
	}
	return strings.Join(ns, ", ")
}
