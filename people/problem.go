package people

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Problem is one thing wrong with a file, and where.
type Problem struct {
	Line    int    `json:"line"` // from 1; 0 means the file as a whole
	Col     int    `json:"col"`  // from 1, in bytes
	Message string `json:"message"`
}

// MaxProblems is the most problems that are listed. The file is not read further.
const MaxProblems = 100

// A FileError is what is wrong with a file. No more of such a file is used.
type FileError struct {
	Problems []Problem // in the order of the file; at most MaxProblems, at least one
}

// Fail returns a FileError with problems.
func Fail(problems ...Problem) error { return &FileError{Problems: problems} }

// Error returns the first problem in one line.
func (e *FileError) Error() string {
	text := e.Problems[0].Message
	if line := e.Problems[0].Line; line > 0 {
		text = fmt.Sprintf("line %d: %s", line, text)
	}
	if more := len(e.Problems) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// None is what Envoy's access log writes for an absent header: as an id, nobody.
const None = "-"

// CheckID returns what is wrong with an id, or "". It is fatal if the same is wrong with
// the rest of the file.
func CheckID(id []byte) (message string, fatal bool) {
	if message = CheckValue(id); message != "" {
		return message, false
	}
	if !utf8.Valid(id) {
		return "this id is not UTF-8, and its bytes are those of another user: the file has another encoding, perhaps Latin-1 or Windows-1252, which spreadsheets write; " +
			"export it as UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8 FILE > utf8.csv", true
	}
	return "", false
}

// CheckValue returns why no header has value, or "".
func CheckValue[T string | []byte](value T) string {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Sprintf("this value has the character %q, which no header value has", c)
		}
	}
	return ""
}

// A ColumnError says that the file has no column for a header of the rules, or more than
// one.
type ColumnError struct {
	Header string   // of the rules: a key or a tag header; "" where any tag header would do
	Names  []string // of the columns that would do
	Has    []string // the columns of the file
	Twice  bool     // the file has the column more than once
}

// maxShownColumns is the most columns of a file that an error names.
const maxShownColumns = 20

func (e *ColumnError) Error() string {
	has := e.Has
	rest := ""
	if len(has) > maxShownColumns {
		has, rest = has[:maxShownColumns], ", …"
	}
	text := fmt.Sprintf("the first line has no column %s", quoted(e.Names, " or "))
	if e.Twice {
		text = fmt.Sprintf("the first line has several columns %s", quoted(e.Names, " or "))
	}
	if e.Header != "" {
		text += fmt.Sprintf(" for the header %s", e.Header)
	}
	text += fmt.Sprintf("; it has %s%s", quoted(has, ", "), rest)
	if len(e.Has) == 1 && strings.ContainsAny(e.Has[0], ";\t|") {
		text += "; columns are separated by commas"
	}
	return text
}

func quoted(names []string, separator string) string {
	var q []string
	for _, n := range names {
		q = append(q, fmt.Sprintf("%q", n))
	}
	return strings.Join(q, separator)
}
