package people

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
)

// bufferSize is how much of a file is read at a time, and the longest line of a text.
const bufferSize = 64 << 10

// An input is the text of a file: unpacked, and without a byte order mark.
type input struct {
	text *bufio.Reader
	file *counter
}

// A counter counts what is read of a file, and keeps its error.
type counter struct {
	r    io.Reader
	read int64
	err  error
}

func (c *counter) Read(p []byte) (n int, err error) {
	n, err = c.r.Read(p)
	c.read += int64(n)
	c.err = err
	return n, err
}

// What files begin with.
var (
	byteOrderMark = []byte("\ufeff")
	gzipMagic     = []byte("\x1f\x8b")
	zipMagic      = []byte("PK\x03\x04")
)

// Text returns the text of a file, unpacked if it is compressed with gzip, and without a
// byte order mark. An error is a [FileError], or one of r; so are those of reading.
func Text(r io.Reader) (*bufio.Reader, error) {
	in, err := open(r)
	if err != nil {
		return nil, err
	}
	return in.text, nil
}

func open(r io.Reader) (*input, error) {
	in := &input{file: &counter{r: r}}
	in.text = bufio.NewReaderSize(in.file, bufferSize)
	if in.begins(gzipMagic) {
		z, err := gzip.NewReader(in.text)
		if err != nil {
			return nil, in.unpacking(err)
		}
		in.text = bufio.NewReaderSize(&unpacked{in, z}, bufferSize)
	}
	switch {
	case in.begins(byteOrderMark):
		_, _ = in.text.Discard(len(byteOrderMark)) // cannot fail after Peek
	case in.begins(zipMagic):
		return nil, Fail(Problem{Line: 1, Col: 1, Message: "the file is a zip archive, perhaps a workbook of Excel; export it as CSV in UTF-8, or unpack it"})
	case in.isUTF16():
		return nil, Fail(Problem{Line: 1, Col: 1, Message: "the file is UTF-16, which Windows PowerShell's > and Excel's \"Unicode text\" write; " +
			"export it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8 FILE > utf8.csv"})
	}
	return in, nil
}

func (in *input) begins(with []byte) bool {
	start, _ := in.text.Peek(len(with)) // less if the file is shorter
	return bytes.Equal(start, with)
}

// isUTF16 reports whether the file begins with a byte order mark of UTF-16, or with an
// ASCII character beside a zero byte.
func (in *input) isUTF16() bool {
	start, _ := in.text.Peek(2)
	return len(start) == 2 && (start[0] == 0xff && start[1] == 0xfe || start[0] == 0xfe && start[1] == 0xff || (start[0] == 0) != (start[1] == 0))
}

// unpacked is the content of a gzip file.
type unpacked struct {
	in *input
	z  *gzip.Reader
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.z.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = u.in.unpacking(err)
	}
	return n, err
}

// unpacking returns the error of the file behind that of unpacking it, if there is one.
func (in *input) unpacking(err error) error {
	if in.file.err != nil && !errors.Is(in.file.err, io.EOF) {
		return in.file.err
	}
	return Fail(Problem{Message: "the file is gzip and is cut off or damaged (" + err.Error() + "); gzip -t FILE tests it: make or copy it again"})
}
