package rules

import (
	"fmt"

	"github.com/tagproc/tagproc/source"
)

// A decoder turns values of a file into the nodes of a File. It notes what has the
// wrong structure and goes on with the rest.
type decoder struct {
	source.Reader

	file    *File
	foreign bool // the file is a manifest of the Hash tagging plug-in's or of another one's kind, whose dialect holds
}

// A field is one key that a mapping may have.
type field = source.Field

// valueOf returns a scalar as the nodes of a File have it.
func valueOf[T any](s source.Scalar[T]) value[T] {
	return value[T]{pos: s.Place, v: s.V, set: s.Set, bad: s.Bad}
}

// asText, asWord, asInt and asBool return the read function of a field.
func (d *decoder) asText(v *value[string]) func(source.Value) {
	return func(at source.Value) { *v = valueOf(d.String(at)) }
}

func (d *decoder) asWord(v *value[string], words []string) func(source.Value) {
	return func(at source.Value) { *v = valueOf(d.Word(at, words)) }
}

func (d *decoder) asInt(v *value[int]) func(source.Value) {
	return func(at source.Value) { *v = valueOf(d.Int(at)) }
}

func (d *decoder) asBool(v *value[bool]) func(source.Value) {
	return func(at source.Value) { *v = valueOf(d.Bool(at)) }
}

// texts reads a list of strings, those that are strings.
func (d *decoder) texts(v source.Value, of string) listOf[value[string]] {
	return listIn(d, v, of, func(v source.Value) (value[string], bool) { return valueOf(d.String(v)), true })
}

// oneOrMore reads a string, or a list of strings.
func (d *decoder) oneOrMore(v source.Value, of string) listOf[value[string]] {
	if !v.IsScalar() {
		return d.texts(v, of)
	}
	one := valueOf(d.String(v))
	return listOf[value[string]]{pos: v.KeyPlace(), elements: []value[string]{one}, set: true, bad: one.bad}
}

// listIn reads a list; element reports whether one is readable.
func listIn[T any](d *decoder, v source.Value, of string, element func(source.Value) (T, bool)) listOf[T] {
	l := source.ListOf(&d.Reader, v, of, element)
	return listOf[T]{pos: l.Place, elements: l.Elements, set: l.Set, bad: l.Bad}
}

// listField returns the read function of a list of mappings.
func listField[T any](d *decoder, l *listOf[T], of string, element func(source.Value) (T, bool)) func(source.Value) {
	return func(v source.Value) { *l = listIn(d, v, of, element) }
}

// refused returns the field of a key that others have, and this mapping has not,
// with what to write instead.
func (d *decoder) refused(name, instead string, used *bool) field {
	return field{Name: name, Hidden: true, Read: func(v source.Value) {
		*used = true
		d.Add(v.KeyPlace().Problem(source.Error, source.KindUnsupported, fmt.Sprintf("%q has no place here; %s", name, instead)))
	}}
}

// ignored returns the field of a key that a manifest may have, and that changes
// nothing here: a note says why.
func (d *decoder) ignored(name, why string) field {
	return field{Name: name, Hidden: true, Read: func(v source.Value) {
		d.Add(v.KeyPlace().Problem(source.Note, KindIgnored, fmt.Sprintf("%q is ignored: %s", name, why)))
	}}
}
