package people

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tagproc/tagproc/internal/words"
)

// maxRow is the most bytes of a row. A quote that is never closed turns the rest of a file
// into one row.
const maxRow = 1 << 20

var errLongRow = errors.New("the row is too long")

// Rows reads the rows of a CSV file in bounded memory.
type Rows struct {
	Columns []string // their names, from the first line

	in   *input
	text io.Reader
	left int // bytes that may be read before the next row
	csv  *csv.Reader
	line int  // the line behind the last row
	done bool // nothing more can be read
}

// OpenRows reads the first line of a CSV file, which names its columns. An error is a
// [FileError], or one of r.
func OpenRows(r io.Reader) (*Rows, error) {
	in, err := open(r)
	if err != nil {
		return nil, err
	}
	return openRows(in, in.text)
}

// openRows reads text, which is that of in or of the same file.
func openRows(in *input, text io.Reader) (*Rows, error) {
	r := &Rows{in: in, text: text, line: 1}
	r.csv = csv.NewReader(rowText{r})
	r.csv.ReuseRecord = true
	row, p, err := r.Next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, Fail(Problem{Message: "the file is empty; expected a first line with the names of the columns"})
	case err != nil:
		return nil, err
	case p != nil:
		return nil, Fail(*p)
	}
	for i, name := range row {
		if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			return nil, Fail(r.At(i, "this column name is not UTF-8 text; export the file as CSV in UTF-8"))
		}
		r.Columns = append(r.Columns, strings.Clone(strings.TrimSpace(name)))
	}
	return r, nil
}

// Column returns the index of the first of names, in any case, that a column has. An
// error is a [ColumnError] about header.
func (r *Rows) Column(header string, names []string) (int, error) {
	for _, name := range names {
		is := func(column string) bool { return strings.EqualFold(column, name) }
		i := slices.IndexFunc(r.Columns, is)
		if i < 0 {
			continue
		}
		if slices.ContainsFunc(r.Columns[i+1:], is) {
			return 0, &ColumnError{Header: header, Names: []string{name}, Has: r.Columns, Twice: true}
		}
		return i, nil
	}
	return 0, &ColumnError{Header: header, Names: names, Has: r.Columns}
}

// BytesRead returns how much of the file was read, in bytes as they stand there.
func (r *Rows) BytesRead() int64 { return r.in.file.read }

// rowText gives the csv package its bytes.
type rowText struct{ r *Rows }

func (t rowText) Read(p []byte) (int, error) {
	if t.r.left <= 0 {
		return 0, errLongRow
	}
	n, err := t.r.text.Read(p[:min(len(p), t.r.left)])
	t.r.left -= n
	return n, err
}

// Next returns the next row, which is valid until the one after it, or io.EOF. What is
// wrong with a row is returned as a Problem, and the rows after it can be read.
func (r *Rows) Next() (row []string, p *Problem, err error) {
	if r.done {
		return nil, nil, io.EOF
	}
	r.left = maxRow
	row, err = r.csv.Read()
	var parse *csv.ParseError
	switch {
	case err == nil:
		last, _ := r.csv.FieldPos(len(row) - 1)
		r.line = last + strings.Count(row[len(row)-1], "\n") + 1
		return row, nil, nil
	case errors.Is(err, errLongRow):
		r.done = true
		return nil, &Problem{Line: r.line, Col: 1, Message: fmt.Sprintf("this row has more than %d bytes (1 MiB); is a quote not closed?", maxRow)}, nil
	case errors.As(err, &parse):
		r.line = parse.Line + 1
		return nil, r.problem(parse, len(row)), nil
	default:
		return nil, nil, err
	}
}

// problem returns what is wrong with a row of fields columns.
func (r *Rows) problem(e *csv.ParseError, fields int) *Problem {
	p := &Problem{Line: e.Line, Col: max(1, e.Column)}
	switch {
	case errors.Is(e.Err, csv.ErrFieldCount):
		p.Message = fmt.Sprintf("this row has %s; the first line has %d", words.Counted(fields, "column"), r.csv.FieldsPerRecord)
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

// Line returns the line in which the last row begins.
func (r *Rows) Line() int {
	line, _ := r.csv.FieldPos(0)
	return line
}

// At returns a problem of the column i of the last row.
func (r *Rows) At(i int, message string) Problem {
	line, col := r.csv.FieldPos(i)
	return Problem{Line: line, Col: col, Message: message}
}
