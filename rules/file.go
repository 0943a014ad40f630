package rules

import (
	"fmt"

	"github.com/tagproc/tagproc/source"
)

// MaxFileSize is the largest rules file that is read, in bytes.
const MaxFileSize = 1 << 20

// maxProblems bounds how many errors, and how many warnings, are listed of a file
// that is wrong from end to end.
const maxProblems = 1000

// A File is a rules file as it was written: its structure is known, what it
// says is not yet checked. Only [Compile] makes use of it.
type File struct {
	Name string // for messages

	tagHeaders      *tagHeadersNode  // nil: not declared
	propagation     *propagationNode // nil: not declared
	trustClientTags value[bool]
	rules           []ruleNode

	text     *source.Text
	problems source.Problems
	errors   int  // that were noted, listed or not
	warnings int  // and notes, in the same way
	cut      bool // reading was given up: what is here is not the whole
}

// pos is a place in the file, both numbers from 1.
type pos struct{ line, col int }

// value is a scalar of the file and where it stands.
type value[T any] struct {
	pos pos
	v   T
	set bool // the key is there
	bad bool // the key is there and its value is of a wrong type, which has been reported
}

// ok reports whether the value is there and readable.
func (v value[T]) ok() bool { return v.set && !v.bad }

// listOf is a list of the file.
type listOf[T any] struct {
	pos      pos // of its key
	elements []T // those that are readable
	set      bool
	bad      bool // it is no list, or an element was not readable, which has been reported
}

type tagHeadersNode struct {
	headers, prefixes listOf[value[string]]
	bad               bool // it is no mapping, which has been reported
}

type propagationNode struct {
	pos               pos // of its key, or of the manifest's content
	headers, prefixes listOf[value[string]]
	bad               bool // it is no mapping, which has been reported
}

type ruleNode struct {
	pos                     pos
	name, header, tagHeader value[string]
	hash, salt, mode        value[string]
	modulo                  value[int]
	overrides               listOf[overrideNode]
	policies                listOf[policyNode]
	otherKey                bool // a key source that is not yet known stands in the place of header
}

type overrideNode struct {
	pos      pos
	values   listOf[value[string]]
	tagValue value[string]
	none     value[bool]
}

type policyNode struct {
	pos      pos
	rng      value[int]
	tagValue value[string]
}

// problem notes an Error at p.
func (f *File) problem(p pos, k source.Kind, message string) {
	f.note(p, source.Error, k, message)
}

func (f *File) note(p pos, s source.Severity, k source.Kind, message string) {
	listed := &f.errors
	if s != source.Error {
		listed = &f.warnings
	}
	switch *listed++; {
	case *listed == maxProblems+1:
		p, k, message = pos{}, source.KindTooManyProblems, fmt.Sprintf("there are more than %d %ss; the rest is not listed", maxProblems, s)
	case *listed > maxProblems+1:
		return
	}
	f.problems = append(f.problems, f.text.Problem(p.line, p.col, s, k, message))
}
