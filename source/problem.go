package source

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a Problem stops a file from being used.
type Severity uint8

// The severities of a Problem.
const (
	Error   Severity = iota // the file is refused
	Warning                 // the file is used; something in it does not do what it seems to
	Note                    // the file is used; something in it may not be what is meant
)

var severityNames = []string{Error: "error", Warning: "warning", Note: "note"}

// String returns "error", "warning" or "note".
func (s Severity) String() string { return severityNames[s] }

// MarshalText writes the severity as its name, for JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Kind names a sort of problem, for scripts that read problems as JSON.
type Kind string

// The kinds of problems that any text can have. What is read has more of its own.
const (
	KindUnreadable      Kind = "unreadable"        // the file could not be read
	KindTooLarge        Kind = "too-large"         // more bytes or values than are read
	KindTooManyProblems Kind = "too-many-problems" // the list of errors, or of warnings, was cut
	KindEncoding        Kind = "encoding"          // not UTF-8
	KindEmpty           Kind = "empty-file"        // nothing in it
	KindSyntax          Kind = "yaml-syntax"       // not YAML
	KindAliases         Kind = "aliases"           // aliases that expand beyond reason, or merge keys
	KindUnknownKey      Kind = "unknown-key"       // a key that the language does not have
	KindUnsupported     Kind = "unsupported"       // a key that the language refuses, with what to write instead
	KindDuplicateKey    Kind = "duplicate-key"     // a key twice in one mapping
	KindType            Kind = "type"              // a list where a number belongs, and the like
	KindMissing         Kind = "missing"           // a required key is absent or null
)

// A Problem is one thing wrong with a file, and where.
type Problem struct {
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"` // from 1; 0 means the file as a whole
	Col      int      `json:"col,omitempty"`  // from 1, in characters
	Severity Severity `json:"severity"`
	Kind     Kind     `json:"kind"`
	Message  string   `json:"message"`
	Source   string   `json:"source,omitempty"` // the line of the file, cut where it is long; "" where the place is too far to the right
}

// String returns the problem as "file:line:col: message [kind]", in one line.
// A warning or a note says so before its message.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Place())
	b.WriteString(": ")
	if p.Severity != Error {
		b.WriteString(p.Severity.String() + ": ")
	}
	fmt.Fprintf(&b, "%s [%s]", p.Message, p.Kind)
	return b.String()
}

// Caret returns a line that points at the problem in Source, the line above it.
// Tabs stay tabs, so that the columns agree.
func (p Problem) Caret() string {
	var b strings.Builder
	column := 1
	for _, r := range p.Source {
		if column++; column > p.Col {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String() + "^"
}

// Place returns "file:line:col", or the file's name where the problem is of the
// file as a whole.
func (p Problem) Place() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Problems are all problems found in one file, in the order of the file.
type Problems []Problem

// Err returns nil when no problem is an Error, else an error whose text has one
// line for each Error.
func (ps Problems) Err() error {
	var errs []error
	for _, p := range ps {
		if p.Severity == Error {
			errs = append(errs, errors.New(p.String()))
		}
	}
	return errors.Join(errs...)
}

// Without returns the problems that are not of severity s.
func (ps Problems) Without(s Severity) Problems {
	return slices.DeleteFunc(slices.Clone(ps), func(p Problem) bool { return p.Severity == s })
}

// Sort orders the problems of each file by their position, files in the order in
// which they come, and drops repetitions, which arise where an alias leads to the
// same place twice.
func (ps Problems) Sort() Problems {
	file := map[string]int{}
	for _, p := range ps {
		if _, known := file[p.File]; !known {
			file[p.File] = len(file)
		}
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(file[a.File], file[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.Compact(ps)
}

// shorten returns message in at most 1.5 KiB, whatever it quotes: how it begins, and what to do, with
// which it ends.
func shorten(message string) string {
	const most, end = 1536, 400
	if len(message) <= most {
		return message
	}
	head, tail := message[:most-end-len("…")], message[len(message)-end:]
	return strings.ToValidUTF8(head, "") + "…" + strings.ToValidUTF8(tail, "")
}
