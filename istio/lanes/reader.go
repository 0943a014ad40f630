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
type field = source.Field

// mapping reads the mapping v in tagproc's own form, in which an unknown key is an error.
// It reports whether all keys are known, so that a missing one can be reported.
func (r *reader) mapping(v source.Value, what string, fields ...field) (ok bool) {
	return r.Mapping(v, what, fields...) && !slices.ContainsFunc(v.Entries(), func(e source.Value) bool {
		return !slices.ContainsFunc(fields, func(f field) bool { return f.Name == e.Key() })
	})
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

// asBool returns the read function of a field.
func (r *reader) asBool(v, set *bool) func(v source.Value) {
	return func(at source.Value) {
		b := r.Bool(at)
		*v, *set = b.V, b.OK()
	}
}
