package people

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/rules"
)

// Options say where a file has its ids.
type Options struct {
	// Column is the name of the column with the ids, in any case. With one the file is
	// CSV.
	Column string
	// Names are names of such a column, beside "id", where Column is empty: the keys of
	// the rules. A first line that is one of them is no id.
	Names []string
}

// A Reader reads ids from a file, one after the other.
type Reader struct {
	in       *input
	first    []byte // the first line, until it is read
	firstErr error  // of reading it
	line     int    // of a text: that of the last id
	long     bool   // a line was too long: the file is not read further
	id       []byte

	rows   *Rows // nil: a text with an id a line
	column int
	unread bool   // the first row is an id, and names no column
	buffer []byte // of CSV: the last id, and what stood around it

	ids, without int64
	err          error // that ended the file
}

// Open returns a Reader of a file: a text with an id on each line, or CSV, whose first
// line names its columns. It is CSV if o names a column, or if its first line begins with
// a quote, has a comma, or is the name of a column of ids; a first line in quotes that is
// no such name, and alone, is an id. Either may be compressed with gzip.
//
// An error is a [FileError], a [ColumnError], or one of r.
func Open(r io.Reader, o Options) (*Reader, error) {
	in, err := open(r)
	if err != nil {
		return nil, err
	}
	line, err := in.text.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	if len(line) == 0 {
		return nil, Fail(Problem{Message: "the file is empty; expected an id on each line, or CSV with the names of the columns in its first line"})
	}
	pr := &Reader{in: in, first: bytes.Clone(line), firstErr: err}
	if o.Column == "" && !isHead(line, o.names()) {
		if hasOtherSeparator(line, o.names()) {
			return nil, &ColumnError{Names: o.names(), Has: []string{strings.TrimSpace(string(line))}} // says that a comma is expected
		}
		return pr, nil
	}
	pr.rows, err = openRows(in, io.MultiReader(bytes.NewReader(pr.first), in.text))
	if err != nil {
		return nil, err
	}
	if o.Column == "" && len(pr.rows.Columns) == 1 { // a list of ids in quotes, with or without a name
		pr.unread = !isName(pr.rows.Columns[0], o.names())
		return pr, nil
	}
	pr.column, err = pr.rows.Column("", o.names())
	return pr, err
}

// names returns the names of columns that would do.
func (o Options) names() []string {
	if o.Column != "" {
		return []string{o.Column}
	}
	return append(slices.Clone(o.Names), "id")
}

// isHead reports whether a first line names columns.
func isHead(line []byte, names []string) bool {
	text := string(bytes.TrimSpace(line))
	return strings.HasPrefix(text, `"`) || strings.Contains(text, ",") || isName(text, names)
}

func isName(text string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, text) })
}

// hasOtherSeparator reports whether a first line has the name of a column of ids between
// other ones, and something else than commas separates them.
func hasOtherSeparator(line []byte, names []string) bool {
	columns := strings.FieldsFunc(string(line), func(r rune) bool { return strings.ContainsRune(";\t|\r\n", r) })
	return len(columns) > 1 && slices.ContainsFunc(columns, func(c string) bool { return isName(strings.TrimSpace(c), names) })
}

// Next returns the next id, which is valid until the call after it, and io.EOF behind
// the last one. Blanks around an id are no part of it. Lines without an id are counted
// and passed over.
//
// An error is a [FileError] with what is wrong with the line and with those after it, or
// one of the file.
func (r *Reader) Next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	p, fatal, err := r.next()
	switch {
	case fatal:
		err = Fail(*p)
	case p != nil:
		err = r.problems(*p)
	case errors.Is(err, io.EOF) && r.ids == 0:
		err = Fail(Problem{Message: "the file has no user's id"})
	}
	if err != nil {
		r.err = err
		return nil, err
	}
	return r.id, nil
}

// IDs returns how many ids were read.
func (r *Reader) IDs() int64 { return r.ids }

// WithoutID returns how many lines have none: they are empty, or the - of an access log.
func (r *Reader) WithoutID() int64 { return r.without }

// BytesRead returns how much of the file was read, in bytes as they stand there.
func (r *Reader) BytesRead() int64 { return r.in.file.read }

// Line returns the line of the last id.
func (r *Reader) Line() int {
	if r.rows != nil {
		return r.rows.Line()
	}
	return r.line
}

// problems returns an error with p and what is wrong with the rest of the file.
func (r *Reader) problems(p Problem) error {
	found := []Problem{p}
	for len(found) < MaxProblems {
		p, fatal, err := r.next()
		if p != nil {
			found = append(found, *p)
		}
		if fatal || err != nil {
			break // an error of the file comes second: the first problem is certain
		}
	}
	return Fail(found...)
}

// next reads the next id into r.id, or returns what is wrong with its line, and whether
// the same is wrong with those after it.
func (r *Reader) next() (p *Problem, fatal bool, err error) {
	for {
		value, p, err := r.value()
		if p != nil || err != nil {
			return p, false, err
		}
		if value = rules.TrimBlanks(value); len(value) == 0 || string(value) == None {
			r.without++
			continue
		}
		if message, fatal := CheckID(value); message != "" {
			p := r.here(message)
			return &p, fatal, nil
		}
		r.id = value
		r.ids++
		return nil, false, nil
	}
}

// value returns what stands in the place of the next id.
func (r *Reader) value() ([]byte, *Problem, error) {
	if r.unread {
		r.unread = false
		return []byte(r.rows.Columns[0]), nil, nil
	}
	if r.rows != nil {
		row, p, err := r.rows.Next()
		if p != nil || err != nil {
			return nil, p, err
		}
		r.buffer = append(r.buffer[:0], row[r.column]...)
		return r.buffer, nil, nil
	}
	r.line++
	line, err := r.first, r.firstErr
	if r.first, r.firstErr = nil, nil; line == nil {
		line, err = r.in.text.ReadSlice('\n')
	}
	switch {
	case r.long:
		return nil, nil, io.EOF
	case errors.Is(err, bufio.ErrBufferFull):
		r.long = true
		p := r.here(fmt.Sprintf("this line has more than %d bytes (64 KiB), and no id is that long; is the file a text with an id on each line?", bufferSize))
		return nil, &p, nil
	case err != nil && !errors.Is(err, io.EOF):
		return nil, nil, err
	case err != nil && len(line) == 0:
		return nil, nil, io.EOF
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil, nil
}

// here returns a problem of the last id.
func (r *Reader) here(message string) Problem {
	if r.rows != nil {
		return r.rows.At(r.column, message)
	}
	return Problem{Line: r.line, Col: 1, Message: message}
}
