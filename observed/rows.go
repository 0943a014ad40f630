package observed

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxRow is the most bytes of a row. A quote that is never closed turns the rest of a file
// into one row.
const maxRow = 1 << 20

var errLongRow = errors.New("the row is too long")

// A rowReader reads the rows of a file in bounded memory.
type rowReader struct {
	src  *bufio.Reader
	left int   // bytes that may be read before the next row
	read int64 // bytes that were read
	csv  *csv.Reader
	line int // the line behind the last row
}

var byteOrderMark = []byte("\ufeff")

func newRowReader(r io.Reader) *rowReader {
	rr := &rowReader{src: bufio.NewReaderSize(r, 64<<10), line: 1}
	if start, err := rr.src.Peek(len(byteOrderMark)); err == nil && bytes.Equal(start, byteOrderMark) {
		_, _ = rr.src.Discard(len(byteOrderMark)) // cannot fail after Peek
	}
	rr.csv = csv.NewReader(rr)
	rr.csv.ReuseRecord = true
	return rr
}

// isUTF16 reports whether the file is UTF-16: it begins with a byte order mark, or with an
// ASCII character beside a zero byte.
func (rr *rowReader) isUTF16() bool {
	start, _ := rr.src.Peek(2) // less if the file is shorter
	return len(start) == 2 && (start[0] == 0xff && start[1] == 0xfe || start[0] == 0xfe && start[1] == 0xff || (start[0] == 0) != (start[1] == 0))
}

// Read gives the csv package its bytes.
func (rr *rowReader) Read(p []byte) (int, error) {
	if rr.left <= 0 {
		return 0, errLongRow
	}
	n, err := rr.src.Read(p[:min(len(p), rr.left)])
	rr.left -= n
	rr.read += int64(n)
	return n, err
}

// next returns the next row, which is valid until the one after it, or io.EOF. It returns
// a problem of the row as a Problem; after a fatal one no rows follow.
func (rr *rowReader) next() (row []string, p *Problem, fatal bool, err error) {
	rr.left = maxRow
	row, err = rr.csv.Read()
	var parse *csv.ParseError
	switch {
	case err == nil:
		last, _ := rr.csv.FieldPos(len(row) - 1)
		rr.line = last + strings.Count(row[len(row)-1], "\n") + 1
		return row, nil, false, nil
	case errors.Is(err, io.EOF):
		return nil, nil, true, io.EOF
	case errors.Is(err, errLongRow):
		return nil, &Problem{Line: rr.line, Col: 1, Message: fmt.Sprintf("this row has more than %d bytes (1 MiB); is a quote not closed?", maxRow)}, true, nil
	case errors.As(err, &parse):
		rr.line = parse.Line + 1
		return nil, rr.problem(parse, len(row)), false, nil
	default:
		return nil, nil, true, err
	}
}

// problem returns what is wrong with a row of fields columns.
func (rr *rowReader) problem(e *csv.ParseError, fields int) *Problem {
	p := &Problem{Line: e.Line, Col: max(1, e.Column)}
	switch {
	case errors.Is(e.Err, csv.ErrFieldCount):
		p.Message = fmt.Sprintf("this row has %s; the first line has %d", plural(fields, "column"), rr.csv.FieldsPerRecord)
	case errors.Is(e.Err, csv.ErrBareQuote):
		p.Message = `a value has a quote in its middle; put the value in quotes and double the inner one: "a""b"`
	case errors.Is(e.Err, csv.ErrQuote) && e.StartLine < e.Line:
		p.Line, p.Col = e.StartLine, 1
		p.Message = fmt.Sprintf("a quote that is opened in this row is closed wrongly, or not at all, by line %d", e.Line)
	case errors.Is(e.Err, csv.ErrQuote):
		p.Message = "a quote is not closed, or something follows it before the comma"
	default:
		p.Message = e.Err.Error()
	}
	return p
}

// at returns the problem of the field i of the last row.
func (rr *rowReader) at(i int, message string) Problem {
	line, col := rr.csv.FieldPos(i)
	return Problem{Line: line, Col: col, Message: message}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
