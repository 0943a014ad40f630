package state

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/tagproc/tagproc/source"
)

// A Problem is a source.Problem that quotes no id of a user.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"` // from 1; absent: the file as a whole
	Col     int    `json:"col,omitempty"`  // from 1, in characters
	Kind    string `json:"kind"`
	Message string `json:"message"`
	// Source is the line of the file, in which dots stand for what may be ids.
	Source string `json:"source,omitempty"`
}

// String returns the problem as "file:line:col: message".
func (p *Problem) String() string {
	return source.Problem{File: p.File, Line: p.Line, Col: p.Col}.Place() + ": " + p.Message
}

// NewProblem returns p without ids of users.
func NewProblem(p *source.Problem) Problem {
	return Problem{File: p.File, Line: p.Line, Col: p.Col, Kind: string(p.Kind), Message: Message(p), Source: withoutIDs(p.Source)}
}

// kindOverride is rules.KindOverride.
const kindOverride source.Kind = "override"

var (
	quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	// aValue begins messages about the values of an override, which are ids.
	aValue = regexp.MustCompile(`^(?:duplicate value|the value|an element of "values"|"values") `)
)

// Message returns the message of p without ids of users: in messages about the values of
// an override what they quote is left out.
func Message(p *source.Problem) string {
	head := aValue.FindString(p.Message)
	if head == "" || p.Kind != kindOverride && !strings.Contains(head, `"values"`) {
		return p.Message
	}
	rest := p.Message[len(head):]
	if strings.Contains(head, `"values"`) {
		is, expected, _ := strings.Cut(rest, ";")
		expected, _, _ = strings.Cut(expected, ":") // what to write has the value
		for _, word := range []string{"is the string", "is the number"} {
			if strings.HasPrefix(is, word) {
				is = word + " …"
			}
		}
		return head + is + ";" + expected
	}
	return head + quoted.ReplaceAllString(rest, `"…"`)
}

var (
	// aKey is a line of YAML or JSON that begins with a key.
	aKey = regexp.MustCompile(`^[\s{\[-]*(?:"[^"]*"|'[^']*'|[\w.-]+)\s*:(?:\s|$)`)
	// ids are the values of an override.
	ids = regexp.MustCompile(`\bvalues\b`)
)

// withoutIDs returns a line of a rules file in which dots stand for letters and digits of
// what may be ids of users: a line without a key, which may be an element of values, and
// what is behind the key values. Columns stay.
func withoutIDs(line string) string {
	at := 0
	if aKey.MatchString(line) {
		i := ids.FindStringIndex(line)
		if i == nil {
			return line
		}
		at = i[1]
	}
	return line[:at] + strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune(`{}[],:"'-#`, r) {
			return r
		}
		return '·'
	}, line[at:])
}
