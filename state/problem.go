package state

import (
	"github.com/tagproc/tagproc/internal/words"
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

// NewProblem returns p, which is redacted already: see rules.Redact.
func NewProblem(p source.Problem) Problem {
	return Problem{File: p.File, Line: p.Line, Col: p.Col, Kind: string(p.Kind), Message: words.Cut(p.Message, MaxText), Source: words.Cut(p.Source, MaxText)}
}
