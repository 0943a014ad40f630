package lanes

import (
	"fmt"
	"slices"

	"github.com/tagproc/tagproc/source"
)

// A reader collects what is found wrong, and worth knowing, while it reads.
type reader struct {
	source.Reader

	notes  []Note
	others []*source.Document // that are no lanes, Services or rules
}

func (r *reader) error(at source.Value, k source.Kind, format string, args ...any) {
	r.Add(at.Problem(source.Error, k, fmt.Sprintf(format, args...)))
}

func (r *reader) warn(at source.Value, k source.Kind, format string, args ...any) {
	r.Add(at.Problem(source.Warning, k, fmt.Sprintf(format, args...)))
}

func (r *reader) note(at source.Value, format string, args ...any) {
	r.notes = append(r.notes, Note{Message: fmt.Sprintf(format, args...), at: at.Problem(source.Warning, "", "")})
}

// A field is one key that a mapping may have.
type field struct {
	name string
	read func(v source.Value)
}

// mapping reads the mapping v in tagproc's own form, in which an unknown key is an
// error. It reports whether its keys are such as to say that a field is missing.
func (r *reader) mapping(v source.Value, what string, fields ...field) (ok bool) {
	return r.Mapping(v, what, keys(fields)...) && !slices.ContainsFunc(v.Entries(), func(e source.Value) bool {
		return !slices.ContainsFunc(fields, func(f field) bool { return f.name == e.Key() })
	})
}

// foreign reads the mapping v of a manifest of others, in which an unknown key is a
// warning. It reports whether v is a mapping.
func (r *reader) foreign(v source.Value, what string, fields ...field) (ok bool) {
	return r.Foreign(v, what, keys(fields)...)
}

func keys(fields []field) (ks []source.Field) {
	for _, f := range fields {
		ks = append(ks, source.Field{Name: f.name, Read: f.read})
	}
	return ks
}

// text reads a string.
func (r *reader) text(v source.Value) text {
	s := r.String(v)
	return text{s.V, v, s.OK()}
}

// asText returns the read function of a field.
func (r *reader) asText(t *text) func(v source.Value) {
	return func(v source.Value) { *t = r.text(v) }
}

// texts reads a list of strings.
func (r *reader) texts(v source.Value, of string) (ts []text) {
	r.List(v, of, func(v source.Value) {
		if t := r.text(v); t.set {
			ts = append(ts, t)
		}
	})
	return ts
}

// labels reads labels. They are nil if some cannot be read.
func (r *reader) labels(v source.Value, what string) map[string]string {
	m, ok := r.StringMap(v, what)
	if !ok {
		return nil
	}
	return m
}

// asBool returns the read function of a field.
func (r *reader) asBool(v, set *bool) func(v source.Value) {
	return func(at source.Value) {
		b := r.Bool(at)
		*v, *set = b.V, b.OK()
	}
}

// number reads a whole number from low to high.
func (r *reader) number(v source.Value, low, high int) (int, bool) {
	i := r.IntIn(v, low, high)
	return i.V, i.OK()
}
