package rollout

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A File is a rules file that compiles, as text. It is immutable.
type File struct {
	Name string

	src      []byte
	options  rules.Options
	table    *rules.Table
	modes    []rules.Mode
	problems source.Problems // none is an error
	notes    []string
}

// Read reads src, the content of the file called name. The File is nil exactly where
// Problems holds an error.
func Read(name string, src []byte, o rules.Options) (*File, source.Problems) {
	t, problems := rules.Load(name, src, o)
	if t == nil {
		return nil, problems
	}
	f := &File{Name: name, src: src, options: o, table: t, problems: problems}
	for _, r := range t.Rules() {
		f.modes = append(f.modes, r.Mode)
	}
	return f, problems
}

// Bytes returns the content of the file.
func (f *File) Bytes() []byte { return slices.Clone(f.src) }

// Notes says what else there is to do after the edit that made the file: comments that have
// a number that is no longer there.
func (f *File) Notes() []string { return slices.Clone(f.notes) }

// Problems returns the warnings and notes of the rules.
func (f *File) Problems() source.Problems { return slices.Clone(f.problems) }

// Applied reports that the file is a manifest, which takes effect once it is applied to a
// cluster.
func (f *File) Applied() bool {
	docs, _ := source.Documents(f.Name, f.src, rules.MaxFileSize)
	return len(docs) > 0 && docs[0].Kind != ""
}

// Table returns what the file means.
func (f *File) Table() *rules.Table { return f.table }

// A ByHandError is the error of an edit that cannot be made in the file as it is written. The
// file means what was asked for once Lines are in it.
type ByHandError struct {
	Why   error
	Lines []string // "rule checkout, policies[0]: range: 25"
}

func (e *ByHandError) Error() string {
	return fmt.Sprintf("couldn't change the file in place: %v", e.Why)
}

func (e *ByHandError) Unwrap() error { return e.Why }

// inexact says why no place of the rules is one of the file.
func inexact(src []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		return errors.New("the rules of this ConfigMap are a text of JSON, which is one line; change the number in it, or write the ConfigMap as YAML, with the rules behind |")
	}
	return errors.New("the lines of the rules in this ConfigMap are not those of the file; write them as a text behind |")
}

// A step is one change of the text.
type step struct {
	path []any // from the list of rules
	what string
	make func(src []byte, at source.Value) ([]byte, error)
	note func(at source.Value) string // what is to be said of what stands there before the step; "": nothing
}

// number sets a scalar that is there.
func number(value any, path ...any) step {
	return step{path: path, what: fmt.Sprint(value), note: staleComment, make: func(src []byte, at source.Value) ([]byte, error) {
		return source.Replace(src, source.Edit{Value: at, Text: fmt.Sprint(value)})
	}}
}

// staleComment says that the comment behind a scalar, in its line, has the value that goes, or
// the last bucket below it.
func staleComment(at source.Value) string {
	old, p := at.Text(), at.Problem(source.Note, "", "")
	_, behind, _ := strings.Cut(p.Source, old)
	_, comment, found := strings.Cut(behind, " #")
	if !found {
		return ""
	}
	has := func(pattern string) bool { return regexp.MustCompile(pattern + `(?:$|\W)`).MatchString(comment) }
	what := ""
	if has(`(?:^|[^\w.])` + regexp.QuoteMeta(old)) {
		what = "the old number, " + old
	} else if n, err := strconv.Atoi(old); err == nil && has(`(?i:\d ?(?:to|through|up to|-|–|…|\.\.) ?|buckets? )`+strconv.Itoa(n-1)) {
		what = fmt.Sprintf("%d, the last bucket of the old range", n-1)
	}
	if what == "" {
		return ""
	}
	return fmt.Sprintf("line %d: the comment has %s, and stays: # %s", p.Line, what, strings.TrimSpace(comment))
}

// put sets the entry of a key, in front of the first of other keys that is there.
func put(path []any, key string, value any, before ...string) step {
	return step{path: path, what: key + ": " + source.Written(value), make: func(src []byte, at source.Value) ([]byte, error) {
		return source.Put(src, at, key, value, before...)
	}}
}

func appended(value any, path ...any) step {
	return step{path: path, what: "one more element, " + source.Written(value), make: func(src []byte, at source.Value) ([]byte, error) {
		return source.Append(src, at, value)
	}}
}

func removed(i int, path ...any) step {
	return step{path: path, what: fmt.Sprintf("without the element %d", i+1), make: func(src []byte, at source.Value) ([]byte, error) {
		return source.Remove(src, at, i)
	}}
}

// removedKey removes the entry of a key, if it is there.
func removedKey(key string, path ...any) step {
	return step{path: path, what: "without " + key, make: func(src []byte, at source.Value) ([]byte, error) {
		for i, e := range at.Entries() {
			if e.Key() == key {
				return source.Remove(src, at, i)
			}
		}
		return src, nil
	}}
}

// apply returns the file after steps. It has to mean want.
func (f *File) apply(want []rules.Rule, steps ...step) (*File, error) {
	src := f.src
	var notes []string
	for _, s := range steps {
		list, exact := rulesIn(f.Name, src)
		err := inexact(src)
		if exact {
			at := list.Get(s.path...)
			if s.note != nil {
				if note := s.note(at); note != "" {
					notes = append(notes, note)
				}
			}
			src, err = s.make(src, at)
		}
		if err != nil {
			return nil, &ByHandError{err, f.lines(steps)}
		}
	}
	after, problems := Read(f.Name, src, f.options)
	if after == nil {
		return nil, fmt.Errorf("the result would be refused: %w", problems.Err())
	}
	if got := after.table.Rules(); !reflect.DeepEqual(meaning(got), meaning(want)) {
		return nil, &ByHandError{errors.New("the result would mean something else"), f.lines(steps)}
	}
	after.notes = notes
	return after, nil
}

// meaning returns rules without what depends on the place of an instant.
func meaning(in []rules.Rule) []rules.Rule {
	in = cloned(in)
	for i := range in {
		if len(in[i].Overrides) == 0 {
			in[i].Overrides = nil
		}
		for j := range in[i].Policies {
			p := &in[i].Policies[j]
			for k := range p.Ramp {
				p.Ramp[k].At = p.Ramp[k].At.UTC().Round(0)
			}
			if p.Ramp != nil {
				p.Range = 0 // as of an instant
			}
		}
	}
	return in
}

// cloned returns rules whose policies and overrides may be changed.
func cloned(in []rules.Rule) []rules.Rule {
	in = slices.Clone(in)
	for i := range in {
		in[i].Policies = slices.Clone(in[i].Policies)
		for j := range in[i].Policies {
			in[i].Policies[j].Ramp = slices.Clone(in[i].Policies[j].Ramp)
		}
		in[i].Overrides = slices.Clone(in[i].Overrides)
		for j := range in[i].Overrides {
			in[i].Overrides[j].Values = slices.Clone(in[i].Overrides[j].Values)
		}
	}
	return in
}

// lines returns steps for people who write them.
func (f *File) lines(steps []step) (lines []string) {
	for _, s := range steps {
		var at strings.Builder
		rule, _ := s.path[0].(int)
		for _, p := range s.path[1:] {
			if i, isIndex := p.(int); isIndex {
				at.WriteString("[" + strconv.Itoa(i) + "]")
				continue
			}
			at.WriteString("." + p.(string))
		}
		where := "rule " + f.table.Rules()[rule].Name
		if at.Len() > 0 {
			where += ", " + strings.TrimPrefix(at.String(), ".")
		}
		lines = append(lines, where+": "+s.what)
	}
	return lines
}

// rulesIn returns the list of rules of a file that compiles. It is exact where its places
// are those of the file.
func rulesIn(name string, src []byte) (list source.Value, exact bool) {
	docs, _ := source.Documents(name, src, rules.MaxFileSize)
	d := docs[0]
	if items := source.Items(d.Get("items")); d.Kind == "List" && len(items) == 1 {
		d = items[0]
	}
	exact = true
	if d.Kind == "ConfigMap" {
		_, _, exact = rules.TextIn(d).Embedded()
	}
	return rules.In(d).Get("rules"), exact
}

// policiesKey returns the key under which a rule has its policies, or partitions.
func (f *File) policiesKey(rule int) (key string, partitions bool) {
	list, _ := rulesIn(f.Name, f.src)
	for _, key := range []string{"partitions", "partitionedPolicies"} {
		if list.Get(rule, key).Exists() {
			return key, true
		}
	}
	return "policies", false
}

// rulesAt returns the rules as they decide at an instant.
func (f *File) rulesAt(now time.Time) []rules.Rule {
	t, _ := f.table.At(now)
	return cloned(t.Rules())
}
