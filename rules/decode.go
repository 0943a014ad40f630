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

// asText, asWord, asInt and asBool return the read function of a field.
func (d *decoder) asText(v *source.Scalar[string]) func(source.Value) {
	return func(at source.Value) { *v = d.String(at) }
}

func (d *decoder) asWord(v *source.Scalar[string], words []string) func(source.Value) {
	return func(at source.Value) { *v = d.Word(at, words) }
}

func (d *decoder) asInt(v *source.Scalar[int]) func(source.Value) {
	return func(at source.Value) { *v = d.Int(at) }
}

func (d *decoder) asBool(v *source.Scalar[bool]) func(source.Value) {
	return func(at source.Value) { *v = d.Bool(at) }
}

// oneOrMore reads a string, or a list of strings.
func (d *decoder) oneOrMore(v source.Value, of string) source.List[source.Scalar[string]] {
	if !v.IsScalar() {
		return d.Strings(v, of)
	}
	one := d.String(v)
	return source.List[source.Scalar[string]]{Place: v.KeyPlace(), Elements: []source.Scalar[string]{one}, Set: true, Bad: one.Bad}
}

// listField returns the read function of a list of mappings.
func listField[T any](d *decoder, l *source.List[T], of string, element func(source.Value) (T, bool)) func(source.Value) {
	return func(v source.Value) { *l = source.ListOf(&d.Reader, v, of, element) }
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
