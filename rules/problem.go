package rules

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
	Warning                 // the file is used; something in it has no effect
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// MarshalText writes the severity as its name, for JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Kind names a sort of problem, for scripts that read problems as JSON.
type Kind string

// The kinds of problems.
const (
	KindUnreadable        Kind = "unreadable"           // the file could not be read
	KindTooLarge          Kind = "too-large"            // over MaxFileSize
	KindTooManyProblems   Kind = "too-many-problems"    // the list of errors, or of warnings, was cut
	KindEncoding          Kind = "encoding"             // not UTF-8
	KindEmpty             Kind = "empty-file"           // nothing in it
	KindSyntax            Kind = "yaml-syntax"          // not YAML
	KindSeveralDocuments  Kind = "several-documents"    // more than one YAML document
	KindAliases           Kind = "aliases"              // aliases that expand beyond reason, or merge keys
	KindEnvelope          Kind = "envelope"             // a manifest that is not a hash tagging WasmPlugin
	KindUnknownKey        Kind = "unknown-key"          // a key that the language does not have
	KindUnsupported       Kind = "unsupported"          // a key that the language reserves and does not yet have
	KindDuplicateKey      Kind = "duplicate-key"        // a key twice in one mapping
	KindType              Kind = "type"                 // a list where a number belongs, and the like
	KindMissing           Kind = "missing"              // a required key is absent or null
	KindName              Kind = "name"                 // a rule name that is malformed or taken
	KindHeader            Kind = "header"               // a header name that is malformed
	KindForbiddenHeader   Kind = "forbidden-header"     // a header that must not be written or read as a key
	KindKeyIsTag          Kind = "key-is-tag"           // a key that is also an owned tag header
	KindUndeclaredTag     Kind = "undeclared-tag"       // a tagHeader outside tagHeaders
	KindTooManyTagHeaders Kind = "too-many-tag-headers" // more than MaxTagHeaders
	KindTagValue          Kind = "tag-value"            // a tag value that is not visible ASCII
	KindModulo            Kind = "modulo"               // a modulo outside [1, MaxModulo]
	KindRange             Kind = "range"                // a range outside [0, modulo]
	KindHash              Kind = "hash"                 // an unknown hash
	KindSalt              Kind = "salt"                 // a salt that has no effect
	KindMode              Kind = "mode"                 // an unknown mode
	KindNoPolicies        Kind = "no-policies"          // a rule without policies
	KindOverride          Kind = "override"             // an override that cannot match or contradicts another
	KindPropagation       Kind = "propagation"          // propagation of what cannot travel; warning: of what is no tag header
	KindUnreachable       Kind = "unreachable"          // warning: a policy or a rule that can never decide
)

// A Problem is one thing wrong with a rules file, and where.
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
// A warning says so before its message.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Place())
	b.WriteString(": ")
	if p.Severity == Warning {
		b.WriteString("warning: ")
	}
	fmt.Fprintf(&b, "%s [%s]", p.Message, p.Kind)
	return b.String()
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

// sort orders problems by their position in the file and drops repetitions,
// which arise where an alias leads to the same place twice.
func (ps Problems) sort() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.Compact(ps)
}
