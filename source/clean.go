package source

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const byteOrderMark = "\ufeff"

// utf8Of returns src in UTF-8, which is src itself unless it is UTF-16, as the > of
// Windows PowerShell writes it; else why it cannot be read.
func utf8Of(src []byte) (text []byte, why string) {
	order, isWide := wideOrder(src)
	if !isWide {
		return src, ""
	}
	damaged := "the file is damaged UTF-16; write it again as UTF-8 (in PowerShell: Out-File -Encoding utf8)"
	if len(src)%2 != 0 {
		return nil, damaged
	}
	units := make([]uint16, len(src)/2)
	for i := range units {
		units[i] = order.Uint16(src[2*i:])
	}
	text = make([]byte, 0, len(src))
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		if utf16.IsSurrogate(r) {
			next := rune(0)
			if i++; i < len(units) {
				next = rune(units[i])
			}
			if r = utf16.DecodeRune(r, next); r == utf8.RuneError {
				return nil, damaged
			}
		}
		text = utf8.AppendRune(text, r)
	}
	return text, ""
}

// wideOrder returns the byte order of a text in UTF-16, and whether it is one.
func wideOrder(src []byte) (order binary.ByteOrder, is bool) {
	switch {
	case len(src) < 2:
		return nil, false
	case src[0] == 0xff && src[1] == 0xfe, src[0] != 0 && src[1] == 0:
		return binary.LittleEndian, true
	case src[0] == 0xfe && src[1] == 0xff, src[0] == 0 && src[1] != 0:
		return binary.BigEndian, true
	}
	return nil, false
}

// A cleaner turns a text into what the YAML library reads: without a byte order mark at
// the head of a document, with an empty line for %YAML 1.2, and with the surrogate pairs
// of JSON as one escape. No line moves; columns behind a pair do, and are restored.
type cleaner struct {
	src       []byte
	lines     []string
	strayMark int   // the line of a byte order mark within a document; 0: none
	starts    []int // the offset of each line in src; nil: nothing is to be done

	marks      []int         // lines whose byte order mark is left out, from 1
	directives map[int]bool  // lines that say %YAML 1.x, from 1
	pairs      []int         // offsets of surrogate pairs, which may stand in any kind of text
	joined     map[int]bool  // those of pairs that are written as one escape
	moved      map[int][]int // by line, the columns in the cleaned text behind which columns are too small
}

// maxRetries bounds how many texts with surrogate pairs are found one by one, in YAML
// that is not JSON.
const maxRetries = 32

// The two halves of a character beyond U+FFFF in JSON, and what they become.
const (
	pairLength   = len(`\ud83d\ude00`)
	escapeLength = len(`\U0001f600`)
)

var pair = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)

func newCleaner(src []byte, lines []string) *cleaner {
	c := &cleaner{src: src, lines: lines}
	for _, at := range pair.FindAllIndex(src, -1) {
		before := src[:at[0]]
		if slashes := len(before) - len(bytes.TrimRight(before, `\`)); slashes%2 == 0 {
			c.pairs = append(c.pairs, at[0])
		}
	}
	if len(c.pairs) == 0 && !bytes.Contains(src, []byte(byteOrderMark)) && !bytes.Contains(src, []byte("%YAML")) {
		return c
	}
	c.starts, c.directives, c.joined = []int{0}, map[int]bool{}, map[int]bool{}
	for _, at := range lineBreak.FindAllIndex(src, -1) {
		c.starts = append(c.starts, at[1])
	}
	c.heads()
	return c
}

// heads looks at the head of each document, which is all before its first value.
func (c *cleaner) heads() {
	head, begin := true, 0 // begin: where the document begins
	for i, line := range c.lines {
		rest, marked := strings.CutPrefix(line, byteOrderMark)
		marker := IsMarker(rest)
		if marked && (head || marker) {
			c.marks = append(c.marks, i+1)
		} else if marked && c.strayMark == 0 {
			c.strayMark = i + 1
		}
		switch trimmed := strings.TrimLeft(rest, " \t"); {
		case marker:
			c.joinJSON(begin, c.starts[i])
			begin = c.starts[i] + len(line)
			_, after, _ := strings.Cut(rest, rest[:3])
			after = strings.TrimSpace(after)
			head = after == "" || strings.HasPrefix(after, "#")
		case head && strings.HasPrefix(rest, "%YAML 1."):
			c.directives[i+1] = true
		case trimmed != "" && trimmed[0] != '#' && rest[0] != '%':
			head = false
		}
	}
	c.joinJSON(begin, len(c.src))
}

// joinJSON joins the pairs of a document that is JSON, where each stands in quotes.
func (c *cleaner) joinJSON(begin, end int) {
	first, _ := slices.BinarySearch(c.pairs, begin)
	last, _ := slices.BinarySearch(c.pairs, end)
	if first >= last || !json.Valid(bytes.TrimPrefix(bytes.TrimSpace(c.src[begin:end]), []byte(byteOrderMark))) {
		return
	}
	for _, at := range c.pairs[first:last] {
		c.joined[at] = true
	}
}

// joins joins the pairs of the text in double quotes in which the YAML library met
// the first half of one: in any other text a pair is twelve characters. It reports
// whether there is one.
func (c *cleaner) joins(err error) bool {
	var le *yaml.LoadError
	if !errors.As(err, &le) || !strings.Contains(le.Message, "invalid Unicode character escape") || le.Mark.Line < 1 || le.Mark.Line > len(c.starts) {
		return false
	}
	line, start := c.lines[le.Mark.Line-1], c.starts[le.Mark.Line-1]
	col := c.column(le.Mark.Line, le.Mark.Column)
	offset := start
	for i := range line {
		if col--; col < 1 {
			break
		}
		offset = start + i
	}
	end := -1
	for _, at := range c.pairs {
		if at+pairLength < offset || c.joined[at] {
			continue
		}
		if end < 0 {
			if at > offset+1 {
				return false
			}
			end = closingQuote(c.src, at)
		}
		if at > end {
			break
		}
		c.joined[at] = true
	}
	return end >= 0
}

// closingQuote returns the offset of the quote that ends the text that at is in.
func closingQuote(src []byte, at int) int {
	for ; at < len(src) && src[at] != '"'; at++ {
		if src[at] == '\\' {
			at++
		}
	}
	return at
}

// text returns the text as the YAML library is to read it.
func (c *cleaner) text() []byte {
	if c.starts == nil {
		return c.src
	}
	c.moved = map[int][]int{}
	var out bytes.Buffer
	done, line := 0, 0 // the line of done, from 0
	marks := c.marks
	for _, at := range append(c.pairs, len(c.src)) {
		for ; line < len(c.starts) && c.starts[line] <= at; line++ {
			start := c.starts[line]
			marked := len(marks) > 0 && marks[0] == line+1
			if !marked && !c.directives[line+1] {
				continue
			}
			out.Write(c.src[done:start])
			if done = start; c.directives[line+1] {
				done += len(c.lines[line])
			} else {
				done += len(byteOrderMark)
			}
			if marked {
				marks = marks[1:]
			}
		}
		if at == len(c.src) || !c.joined[at] {
			continue
		}
		out.Write(c.src[done:at])
		done = at + pairLength
		out.WriteString(escapeOf(string(c.src[at:done])))
		col := utf8.RuneCountInString(strings.TrimPrefix(string(c.src[c.starts[line-1]:at]), byteOrderMark)) + 1
		c.moved[line] = append(c.moved[line], col-len(c.moved[line])*(pairLength-escapeLength))
	}
	out.Write(c.src[done:])
	return out.Bytes()
}

// escapeOf returns two halves of a character as one escape of YAML.
func escapeOf(halves string) string {
	high, _ := strconv.ParseUint(halves[2:6], 16, 16) // both match pair
	low, _ := strconv.ParseUint(halves[8:12], 16, 16)
	return fmt.Sprintf(`\U%08x`, utf16.DecodeRune(rune(high), rune(low)))
}

// column returns the column in the file of a column in the cleaned text.
func (c *cleaner) column(line, col int) int {
	behind := 0
	for _, at := range c.moved[line] {
		if at < col {
			behind++
		}
	}
	return col + behind*(pairLength-escapeLength)
}

// restore gives n, and all below it, the columns of the file.
func (c *cleaner) restore(n *yaml.Node) {
	if len(c.moved) == 0 {
		return
	}
	n.Column = c.column(n.Line, n.Column)
	for _, child := range n.Content {
		c.restore(child)
	}
}
