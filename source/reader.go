package source

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxValues bounds the values that a Reader visits. Only aliases of aliases have more.
const maxValues = 600_000

// maxKeys bounds the keys of one mapping whose keys are free.
const maxKeys = 1000

// A Reader takes values apart and collects what is wrong with them. It goes on after a
// problem, so that it reports all of them at once. The zero Reader is ready to use.
type Reader struct {
	Report

	visited int
	merges  bool // a merge key was met, and reported
}

// A Field is one key that a mapping may have.
type Field struct {
	Name   string
	Read   func(v Value) // reads the value; v has the key
	Hidden bool          // not offered in messages: Read refuses it
	Also   []string      // what people write who mean it, beside misspellings
}

// Spent reports whether reading was given up because aliases expand to too much: what
// was read is not the whole.
func (r *Reader) Spent() bool { return r.visited > maxValues }

// Visit counts v and reports whether it may be looked at: aliases of aliases expand
// beyond any memory. Every method of the Reader visits what it reads.
func (r *Reader) Visit(v Value) bool {
	if r.visited++; r.visited == maxValues+1 {
		r.Add(v.Problem(Error, KindAliases, fmt.Sprintf("the aliases of this file expand to more than %d values; write them out", maxValues)))
	}
	return r.visited <= maxValues
}

// Mapping reads the keys of v, which is called what in messages. A key that no field
// has is an error, with what was probably meant. It reports whether v is a mapping at
// all.
func (r *Reader) Mapping(v Value, what string, fields ...Field) bool {
	if v.shape != nil {
		v.shape.mapping(what, fields)
		return true
	}
	if !r.isMapping(v, what, fields) {
		return false
	}
	for e := range r.Keys(v, what, fields...) {
		if f := field(fields, e.key.Value); f != nil {
			f.Read(e)
			continue
		}
		meant := meantBy(e.key.Value, fields)
		r.Add(e.KeyPlace().Problem(Error, KindUnknownKey, fmt.Sprintf("%s has no key %q%s; expected one of %s", what, Shorten(e.key.Value), DidYouMean(meant), strings.Join(names(fields), ", "))))
		// What a misspelt key holds is read as what was meant, so that its problems are found and the key is not missed.
		if f := field(fields, meant); f != nil && v.get(meant).node == nil {
			f.Read(e)
		}
	}
	return true
}

// Foreign reads the keys of v in a manifest of others: a key that no field has is a
// warning that nothing is made of it, and null is as if the key were not there.
func (r *Reader) Foreign(v Value, what string, fields ...Field) bool {
	if !r.isMapping(v, what, fields) {
		return false
	}
	for e := range r.Keys(v, what, fields...) {
		switch f := field(fields, e.key.Value); {
		case f == nil:
			r.Add(e.KeyPlace().Problem(Warning, KindUnsupported, fmt.Sprintf("%s has the unknown key %q, which is ignored%s", what, Shorten(e.key.Value), DidYouMean(meantBy(e.key.Value, fields)))))
		case e.Exists():
			f.Read(e)
		}
	}
	return true
}

func (r *Reader) isMapping(v Value, what string, fields []Field) bool {
	if !r.Visit(v) {
		return false
	}
	if v.IsMapping() {
		return true
	}
	expected := "a mapping"
	if len(fields) > 0 {
		expected += " with the keys " + strings.Join(names(fields), ", ")
	}
	r.Add(v.Problem(Error, KindType, fmt.Sprintf("%s is %s; expected %s", what, v.Describe(), expected)))
	return false
}

// Keys yields the entries of the mapping v, which is called what in messages, whose
// keys are texts, each key once. It reports the others: keys of another type, keys that
// come again, and the first merge key of the file. What merge keys lead to is yielded
// last, so that nothing is missed besides. Without fields, which are offered in messages,
// at most a thousand keys are read.
func (r *Reader) Keys(v Value, what string, fields ...Field) func(yield func(Value) bool) {
	return func(yield func(Value) bool) {
		if len(fields) == 0 && len(v.node.Content) > 2*maxKeys {
			r.Add(v.Problem(Error, KindTooLarge, fmt.Sprintf("%s has more than %d keys, the most that are read", what, maxKeys)))
			return
		}
		lines := map[string]int{}
		for _, e := range v.Entries() {
			if r.Full() {
				return // a file of mistakes alone takes no time
			}
			if first, twice := lines[e.key.Value]; twice && e.key.Tag == "!!str" {
				r.Add(e.KeyPlace().Problem(Error, KindDuplicateKey, duplicateKey(e.key.Value, first)+"; remove one"))
				continue
			}
			switch k := (Value{node: e.key}); {
			case isMerge(e.key):
				if !r.merges {
					r.Add(e.KeyPlace().Problem(Error, KindAliases, "merge keys (<<) are not read here; write the keys out"))
				}
				r.merges = true
			case e.key.Kind != yaml.ScalarNode || e.key.Tag != "!!str":
				expected := "expected a string"
				if len(fields) > 0 {
					expected = "expected one of " + strings.Join(names(fields), ", ")
				}
				r.Add(e.KeyPlace().Problem(Error, KindUnknownKey, fmt.Sprintf("%s has %s as a key; %s", what, k.Describe(), expected)))
			default:
				lines[e.key.Value] = e.KeyPlace().line
				if !yield(e) {
					return
				}
			}
		}
		for _, e := range r.merged(v) {
			if _, own := lines[e.key.Value]; own || e.key.Tag != "!!str" || len(fields) > 0 && field(fields, e.key.Value) == nil {
				continue
			}
			lines[e.key.Value] = e.KeyPlace().line
			if !yield(e) {
				return
			}
		}
	}
}

// merged returns the entries that the merge keys of a mapping lead to.
func (r *Reader) merged(v Value) (entries []Value) {
	if !slices.ContainsFunc(v.node.Content, isMerge) {
		return nil
	}
	for _, e := range v.Entries() {
		if !isMerge(e.key) {
			continue
		}
		mappings, _ := mergedBy(e.node)
		for _, n := range mappings {
			m := Value{text: v.text, node: n, at: v.text.node(n), name: v.name}
			for _, e := range m.Entries() {
				if !r.Visit(e) {
					return entries
				}
				entries = append(entries, e)
			}
			entries = append(entries, r.merged(m)...)
		}
	}
	return entries
}

// FreeKeys yields the entries of the mapping v whose keys are names of the user's, as
// Keys does. Where v is not a mapping it reports that and yields nothing.
func (r *Reader) FreeKeys(v Value, what string) func(yield func(Value) bool) {
	if !r.isMapping(v, what, nil) {
		return func(func(Value) bool) {}
	}
	return r.Keys(v, what)
}

// List reads each element of v. It reports whether v is a list.
func (r *Reader) List(v Value, of string, read func(v Value)) bool {
	switch {
	case v.shape != nil:
		v.shape.list(read)
		return true
	case !r.Visit(v):
		return false
	case !v.Exists():
		r.Add(v.KeyPlace().Problem(Error, KindMissing, fmt.Sprintf("%s has no value; expected a list of %s", v.name, of)))
		return false
	case !v.IsList():
		r.Add(v.Problem(Error, KindType, fmt.Sprintf("%s is %s; expected a list of %s", v.name, v.Describe(), of)))
		return false
	}
	for _, e := range v.Elements() {
		read(e)
	}
	return true
}

// A List is a list of a file, and where its key stands.
type List[T any] struct {
	Place

	Elements []T // those that are readable
	Set      bool
	Bad      bool // it is no list, or an element was not readable, already reported
}

// ListOf reads a list; element reports whether one is readable.
func ListOf[T any](r *Reader, v Value, of string, element func(v Value) (T, bool)) List[T] {
	l := List[T]{Place: v.KeyPlace(), Set: true}
	ok := r.List(v, of, func(v Value) {
		if e, readable := element(v); readable {
			l.Elements = append(l.Elements, e)
		} else {
			l.Bad = true
		}
	})
	l.Bad = l.Bad || !ok
	return l
}

// Strings reads a list of texts, those that are texts.
func (r *Reader) Strings(v Value, of string) List[Scalar[string]] {
	return ListOf(r, v, of, func(v Value) (Scalar[string], bool) { return r.String(v), true })
}

// StringMap reads a mapping of texts to texts, which is called what in messages. It
// returns nil where something is not readable.
func (r *Reader) StringMap(v Value, what string) map[string]string {
	if !r.Visit(v) {
		return nil
	}
	if !v.IsMapping() {
		r.Add(v.Problem(Error, KindType, fmt.Sprintf("%s is %s; expected a mapping of strings to strings", what, v.Describe())))
		return nil
	}
	m, ok := map[string]string{}, true
	for e := range r.Keys(v, what) {
		s := r.String(e)
		m[e.key.Value] = s.V
		ok = ok && s.OK()
	}
	if !ok {
		return nil
	}
	return m
}

// meantBy returns the field that a key is most likely another word for, or a misspelling
// of, or "".
func meantBy(key string, fields []Field) string {
	for _, f := range fields {
		if slices.ContainsFunc(f.Also, func(word string) bool { return strings.EqualFold(word, key) }) {
			return f.Name
		}
	}
	return Nearest(key, names(fields))
}

func field(fields []Field, name string) *Field {
	if i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name }); i >= 0 {
		return &fields[i]
	}
	return nil
}

// names returns the names of the fields that messages offer.
func names(fields []Field) (ns []string) {
	for _, f := range fields {
		if !f.Hidden {
			ns = append(ns, f.Name)
		}
	}
	return ns
}
