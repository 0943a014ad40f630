package source

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// A Text is the content of a file by its lines, for the places in it.
type Text struct {
	Name  string // of the file, for messages
	lines []string
	shift shift // of a text that stands inside of another one
}

// A shift is where a text begins that stands inside of another one, such as the
// value of a ConfigMap: lines above it, and columns to its left.
type shift struct{ lines, cols int }

// lineBreak is what ends a line in YAML 1.1, which the YAML library counts by.
var lineBreak = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

// Lines returns the lines of text as YAML counts them, each with its end. The end is
// "\n" where it is that of DOS, or is missing.
func Lines(text string) (lines []string) {
	for text != "" {
		end := lineBreak.FindStringIndex(text)
		switch {
		case end == nil:
			return append(lines, text+"\n")
		case text[end[0]:end[1]] == "\r\n":
			lines = append(lines, text[:end[0]]+"\n")
		default:
			lines = append(lines, text[:end[1]])
		}
		text = text[end[1]:]
	}
	return lines
}

// IsMarker reports whether a line begins or ends a YAML document.
func IsMarker(line string) bool {
	rest, is := strings.CutPrefix(line, "---")
	if !is {
		rest, is = strings.CutPrefix(line, "...")
	}
	return is && (rest == "" || strings.ContainsAny(rest[:1], " \t\r\n"))
}

// A Place is a line and a column of a file, both from 1, or the file as a whole.
type Place struct {
	text      *Text
	line, col int
}

// Whole returns the place of the file as a whole.
func (t *Text) Whole() Place { return Place{text: t} }

// Whole returns the place of the file as a whole that p is in.
func (p Place) Whole() Place { return Place{text: p.text} }

// Line returns the line from 1, or 0 for the file as a whole.
func (p Place) Line() int { return p.line }

// File returns the name of the file.
func (p Place) File() string {
	if p.text == nil {
		return ""
	}
	return p.text.Name
}

// String returns "file:line:col", or the name of the file.
func (p Place) String() string { return p.Problem(Error, "", "").Place() }

// Problem returns a problem at the place.
func (p Place) Problem(s Severity, k Kind, message string) Problem {
	message = shorten(message)
	if p.text == nil {
		return Problem{Severity: s, Kind: k, Message: message}
	}
	pr := Problem{File: p.text.Name, Line: p.line, Col: p.col, Severity: s, Kind: k, Message: message}
	if 0 < p.line && p.line <= len(p.text.lines) {
		pr.Source = shown(p.text.lines[p.line-1], p.col)
	}
	return pr
}

// maxShown bounds what is shown of a line, in bytes: a file in JSON may be a single
// line, which would be shown for each of its problems.
const maxShown = 500

// shown returns what is shown of a line for a problem in its column col: "" where
// the column is too far to the right.
func shown(line string, col int) string {
	if len(line) <= maxShown {
		return line
	}
	if col > maxShown {
		return ""
	}
	return strings.ToValidUTF8(line[:maxShown], "") + "…"
}

// Shorten keeps a quoted value from flooding a message.
func Shorten(s string) string {
	const most = 40
	if r := []rune(s[:min(len(s), 4*most+4)]); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// controlCharacter returns the place of the first character that YAML does not
// allow, or that of the file as a whole.
func (t *Text) controlCharacter() Place {
	for i, line := range t.lines {
		col := 1
		for _, r := range line {
			if r < ' ' && r != '\t' || r == 0x7f || 0x80 <= r && r < 0xa0 {
				return Place{t, i + 1, col}
			}
			col++
		}
	}
	return t.Whole()
}

// encoding returns what keeps src from being UTF-8 text, if anything does.
func (t *Text) encoding(src []byte) (Problem, bool) {
	if utf8.Valid(src) {
		return Problem{}, false
	}
	line, col := 1, 1
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		if r == utf8.RuneError && size == 1 {
			break
		}
		if col++; r == '\n' {
			line, col = line+1, 1
		}
		src = src[size:]
	}
	return Place{t, line, col}.Problem(Error, KindEncoding, fmt.Sprintf("the byte 0x%02x is not valid UTF-8; is this a binary file?", src[0])), true
}
