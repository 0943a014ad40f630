// Package terminal writes text for people, and states the rules of doing so once:
//
//   - Quoting. What comes from a file, a header or the command line stands in the
//     arguments of [Writer.Printf], which are escaped: control characters, line
//     breaks, invisible and bidirectional characters appear as in a Go string
//     (\x1b, \n, \u202e). Formats and styles are the program's own. Text is the same
//     in a pipe and on a terminal, except colours.
//   - Colour. On a terminal, unless NO_COLOR is set (no-color.org) or TERM is dumb.
//   - Width. Nothing is cut or wrapped to the width of the screen.
//   - Progress. One line on standard error, on a terminal alone, after a second; it
//     is gone when the command ends.
//   - Documents. A file or a manifest that a command prints is written as it is into
//     pipes and files. On a terminal it is escaped, except line breaks and tabs.
//   - JSON. Invisible characters are escaped as \uXXXX, which means the same.
//   - Standard input. The file name - stands for it; nothing asks questions there.
//   - Exit codes. Those of package main of cmd/tagproc.
//
// .golangci.yaml forbids commands to print past it.
package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/fatih/color"
	"golang.org/x/term"
)

// A Writer writes text for people to one place. Errors of writing are kept, and
// everything behind the first one is dropped.
type Writer struct {
	out        io.Writer
	err        error
	isTerminal bool
	isColored  bool
}

// New returns a Writer to w, which has colours if w is a terminal that shows them.
func New(w io.Writer) *Writer {
	f, ok := w.(*os.File)
	t := &Writer{out: w, isTerminal: ok && term.IsTerminal(int(f.Fd()))}
	t.isColored = t.isTerminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return t
}

// Colored returns a Writer to w that has colours, whatever w is.
func Colored(w io.Writer) *Writer { return &Writer{out: w, isTerminal: true, isColored: true} }

// IsTerminal reports whether people look at what is written.
func (t *Writer) IsTerminal() bool { return t.isTerminal }

// Err returns the first error of writing.
func (t *Writer) Err() error { return t.err }

// Printf writes as fmt.Fprintf does, with every argument escaped. The format is the
// program's own: its line breaks and tabs are written as they are.
func (t *Writer) Printf(format string, args ...any) {
	t.write([]byte(t.sprintf(format, args...)))
}

// Labelled writes an indented line behind a label of up to 8 characters, as Printf does.
func (t *Writer) Labelled(label, format string, args ...any) {
	t.Printf("  %-8s "+format+"\n", append([]any{label}, args...)...)
}

// Document writes a document: as it is, and on a terminal escaped.
func (t *Writer) Document(text []byte) error {
	if t.isTerminal {
		text = []byte(escape(string(text), "\n\t"))
	}
	t.write(text)
	return t.err
}

// JSON writes v as indented JSON.
func (t *Writer) JSON(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	t.write([]byte(EscapeJSON(b.String())))
	return t.err
}

// Table calls fill with a Writer whose lines become the rows of a table: tabs in
// its formats separate the columns, which are as wide as their widest cell.
func (t *Writer) Table(fill func(t *Writer)) {
	tabs := tabwriter.NewWriter(writerFunc(func(p []byte) (int, error) {
		t.write(p)
		return len(p), t.err
	}), 0, 0, 3, ' ', 0)
	fill(&Writer{out: tabs, isTerminal: t.isTerminal}) // the width of a cell has no room for colours
	if err := tabs.Flush(); t.err == nil {
		t.err = err
	}
}

// Status shows one line on a terminal in the place of the last one, for what
// changes; "" removes it.
func (t *Writer) Status(format string, args ...any) {
	t.write([]byte("\r" + t.sprintf(format, args...) + "\x1b[K"))
}

func (t *Writer) write(p []byte) {
	if t.err == nil {
		_, t.err = t.out.Write(p)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A Style is how text stands out where there are colours.
type Style []color.Attribute

// The styles.
var (
	Bold    = Style{color.Bold}
	Faint   = Style{color.Faint}
	Alarm   = Style{color.FgRed, color.Bold}
	Warning = Style{color.FgYellow, color.Bold}
)

// Text is text in a style, an argument of [Writer.Printf].
type Text struct {
	style  Style
	format string
	args   []any
}

// Textf returns a text in the style, whose arguments are escaped when it is written.
func (s Style) Textf(format string, args ...any) Text { return Text{s, format, args} }

// A Line is a line of a file, an argument of [Writer.Printf], in which something
// points at columns: each of its characters takes one, also those that Escape would
// write in several, and tabs stay.
type Line string

func (t *Writer) sprintf(format string, args ...any) string {
	escaped := make([]any, len(args))
	for i, a := range args {
		escaped[i] = argument{a, t}
	}
	return fmt.Sprintf(format, escaped...)
}

// An argument is one of Printf.
type argument struct {
	value any
	t     *Writer
}

// Format writes the argument as fmt would, escaped.
func (a argument) Format(f fmt.State, verb rune) {
	var written string
	switch v := a.value.(type) {
	case Text:
		c := color.New(v.style...)
		if a.t.isColored {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
		written = c.Sprint(a.t.sprintf(v.format, v.args...))
	case Line:
		written = masked(string(v))
	default:
		written = Escape(fmt.Sprintf(fmt.FormatString(f, verb), v))
	}
	_, _ = io.WriteString(f, written) // a State has no errors
}
