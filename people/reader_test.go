package people

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// all reads every id of a file.
func all(r io.Reader, o Options) (ids []string, without int64, err error) {
	pr, err := Open(r, o)
	if err != nil {
		return nil, 0, err
	}
	for {
		id, err := pr.Next()
		if errors.Is(err, io.EOF) {
			if pr.IDs() != int64(len(ids)) {
				return nil, 0, fmt.Errorf("IDs() = %d after %d ids", pr.IDs(), len(ids))
			}
			return ids, pr.WithoutID(), nil
		}
		if err != nil {
			if _, again := pr.Next(); again != err { //nolint:errorlint // the same one
				return nil, 0, fmt.Errorf("after %w another Next has %w", err, again)
			}
			return ids, 0, err
		}
		ids = append(ids, string(id))
	}
}

func zipped(tb testing.TB, text string) string {
	tb.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.String()
}

func TestRead(t *testing.T) {
	t.Parallel()
	keys := Options{Names: []string{"x-user-id", "uid"}}
	long := strings.Repeat("a", bufferSize-1)
	for _, tt := range []struct {
		name, file string
		options    Options
		want       []string
		without    int64
	}{
		{"a text", "jack\njason\n", keys, []string{"jack", "jason"}, 0},
		{"no line break at the end", "jack\njason", keys, []string{"jack", "jason"}, 0},
		{"CRLF", "jack\r\njason\r\n", keys, []string{"jack", "jason"}, 0},
		{"a byte order mark", "\ufeffjack\njason\n", keys, []string{"jack", "jason"}, 0},
		{"blanks and nobody", " jack\t\n\n-\n  \na b\n", keys, []string{"jack", "a b"}, 3},
		{"one id", "jack", keys, []string{"jack"}, 0},
		{"other scripts", "Grüße\n你好\n", keys, []string{"Grüße", "你好"}, 0},
		{"semicolons in ids", "a;b\nc;d\n", keys, []string{"a;b", "c;d"}, 0},
		{"quotes behind the first line", "jack\n\"a,b\"\n", keys, []string{"jack", `"a,b"`}, 0},
		{"the longest line", long + "\njack", keys, []string{long, "jack"}, 0},

		{"a head of one column", "X-User-Id\njack\n", keys, []string{"jack"}, 0},
		{"id", "id\r\njack\r\n", Options{}, []string{"jack"}, 0},
		{"CSV with id", "name,ID\nJack,1\nJason,2\n", keys, []string{"1", "2"}, 0},
		{"CSV with a key", "name,uid\nJack,1\nJason,2\n", keys, []string{"1", "2"}, 0},
		{"the key before id", "id,uid\na,1\nb,2\n", keys, []string{"1", "2"}, 0},
		{"a column by name", "id, Mail\na,1\nb,2\n", Options{Column: "mail"}, []string{"1", "2"}, 0},
		{"a text as a column by name", "mail\n1\n2\n", Options{Column: "mail"}, []string{"1", "2"}, 0},
		{"quotes", "\"jack\"\n\"a,b\"\n\"c\"\"d\"\n", Options{}, []string{"jack", "a,b", `c"d`}, 0},
		{"quotes and a name", "\"ID\"\n\"a,b\"\n", Options{}, []string{"a,b"}, 0},
		{"quotes and a named column", "\"mail\"\n\"a,b\"\n", Options{Column: "mail"}, []string{"a,b"}, 0},
		{"quotes around nothing", "\"\"\n\"jack\"\n", Options{}, []string{"jack"}, 1},
		{"rows without an id", "a,id\n1,x\n2,\n3,-\n4, y \n", Options{}, []string{"x", "y"}, 2},

		{"gzip", zipped(t, "jack\njason\n"), keys, []string{"jack", "jason"}, 0},
		{"gzip of CSV", zipped(t, "\ufeffa,id\r\n1,x\r\n"), keys, []string{"x"}, 0},
		{"gzip in parts", zipped(t, "jack\nja") + zipped(t, "son\n"), keys, []string{"jack", "jason"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range []io.Reader{strings.NewReader(tt.file), &trickle{tt.file}} {
				ids, without, err := all(r, tt.options)
				if err != nil || !slices.Equal(ids, tt.want) || without != tt.without {
					t.Errorf("%.200q, %d without an id, %v; want %.200q, %d", ids, without, err, tt.want, tt.without)
				}
			}
		})
	}
}

// A trickle gives a byte at a time, as a slow pipe does.
type trickle struct{ text string }

func (s *trickle) Read(p []byte) (int, error) {
	if s.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:1], s.text)
	s.text = s.text[n:]
	return n, nil
}

func TestErrors(t *testing.T) {
	t.Parallel()
	packed := zipped(t, strings.Repeat("jack\n", 1000))
	for _, tt := range []struct {
		name, file string
		options    Options
		want       string
	}{
		{"empty", "", Options{}, "the file is empty; expected an id on each line, or CSV with the names of the columns in its first line"},
		{"a byte order mark alone", "\ufeff", Options{}, "the file is empty; expected an id on each line, or CSV with the names of the columns in its first line"},
		{"nobody", "\n-\n", Options{}, "the file has no user's id"},
		{"a head alone", "a,id\n", Options{}, "the file has no user's id"},
		{"UTF-16", "\xff\xfej\x00", Options{}, "line 1: the file is UTF-16, which Windows PowerShell's > and Excel's \"Unicode text\" write; export it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8 FILE > utf8.csv"},
		{"a workbook", "PK\x03\x04...", Options{}, "line 1: the file is a zip archive, perhaps a workbook of Excel; export it as CSV in UTF-8, or unpack it"},
		{"gzip that is cut off", packed[:len(packed)-10], Options{}, "the file is gzip and is cut off or damaged (unexpected EOF); gzip -t FILE tests it: make or copy it again"},
		{"gzip with another sum", packed[:len(packed)-5] + "x" + packed[len(packed)-4:], Options{}, "the file is gzip and is cut off or damaged (gzip: invalid checksum); gzip -t FILE tests it: make or copy it again"},
		{"gzip's first bytes alone", "\x1f\x8b", Options{}, "the file is gzip and is cut off or damaged (unexpected EOF); gzip -t FILE tests it: make or copy it again"},
		{"a control character", "jack\nja\x1bson\nx\x00\n", Options{}, "line 2: this value has the character '\\x1b', which no header value has (and 1 more)"},
		{"Latin-1", "jack\nr\xe9my\nzo\xeb\n", Options{}, "line 2: this id is not UTF-8, and its bytes are those of another user: the file has another encoding, perhaps Latin-1 or Windows-1252, which spreadsheets write; " +
			"export it as UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8 FILE > utf8.csv"},
		{"a long line", "jack\n" + strings.Repeat("a", bufferSize) + "\n\x00\n", Options{}, "line 2: this line has more than 65536 bytes (64 KiB), and no id is that long; is the file a text with an id on each line?"},
		{"a long first line", strings.Repeat("a", bufferSize+1), Options{}, "line 1: this line has more than 65536 bytes (64 KiB), and no id is that long; is the file a text with an id on each line?"},
		{"no such column", "name,mail\n", Options{Names: []string{"x-user-id"}}, `the first line has no column "x-user-id" or "id"; it has "name", "mail"`},
		{"no named column", "name,id\n", Options{Column: "mail"}, `the first line has no column "mail"; it has "name", "id"`},
		{"a column twice", "id,ID\n", Options{}, `the first line has several columns "id"; it has "id", "ID"`},
		{"semicolons", "name;id\na;b\n", Options{}, `the first line has no column "id"; it has "name;id"; columns are separated by commas`},
		{"tabs", "x-user-id\tb\r\n", Options{Names: []string{"x-user-id"}}, "the first line has no column \"x-user-id\" or \"id\"; it has \"x-user-id\\tb\"; columns are separated by commas"},
		{"too few columns", "a,id\n1,x\n2\n3,y\n4\n", Options{}, "line 3: this row has 1 column; the first line has 2 (and 1 more)"},
		{"a quote that stays open", "a,id\n1,x\n2,\"y\n3,z\n", Options{}, "line 3: a quote that is opened in this row is closed wrongly, or not at all, by line 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := all(strings.NewReader(tt.file), tt.options); err == nil || err.Error() != tt.want {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
		})
	}
}

// TestManyProblems checks that a file of mistakes alone has an end.
func TestManyProblems(t *testing.T) {
	t.Parallel()
	_, _, err := all(strings.NewReader(strings.Repeat("\x01\n", 1000)), Options{})
	if e, ok := errors.AsType[*FileError](err); !ok || len(e.Problems) != MaxProblems {
		t.Errorf("%v, want a FileError with %d problems", err, MaxProblems)
	}
}

// TestLongRow checks that a quote that stays open is found in its line, behind a row that
// is wrong too.
func TestLongRow(t *testing.T) {
	t.Parallel()
	_, _, err := all(strings.NewReader("a,id\n1\n\"x"+strings.Repeat("\n", 2*maxRow)), Options{})
	e, ok := errors.AsType[*FileError](err)
	if !ok || len(e.Problems) != 2 || e.Problems[0].Line != 2 || e.Problems[1].Line != 3 || !strings.Contains(e.Problems[1].Message, "1 MiB") {
		t.Errorf("%+v, want problems in the lines 2 and 3", e.Problems)
	}
}

// TestReadError checks that an error of the file is returned as it is, packed or not.
func TestReadError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	packed := zipped(t, strings.Repeat("jack\n", 1000))
	for _, text := range []string{"", "\x1f\x8b", "jack\nja", "id\nja", packed[:len(packed)-10]} {
		_, _, err := all(io.MultiReader(strings.NewReader(text), failing{broken}), Options{})
		if !errors.Is(err, broken) {
			t.Errorf("%.20q: %v, want %v", text, err, broken)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestRoundTrip checks that the ids of a text are those of the same text as CSV, packed
// or not.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[!-~äß🦊]([ -~äß🦊]{0,12}[!-~äß🦊])?`).Filter(func(s string) bool { return s != None })
		ids := rapid.SliceOfN(id, 1, 50).Draw(t, "ids")
		end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end")
		for _, head := range []string{"", "name,id" + end} {
			var text strings.Builder
			text.WriteString(head)
			for _, id := range ids {
				if head != "" {
					id = `x,"` + strings.ReplaceAll(id, `"`, `""`) + `"`
				}
				text.WriteString(id + end)
			}
			if head == "" && (strings.ContainsAny(ids[0], `,"`) || strings.EqualFold(ids[0], "id")) {
				continue // a text cannot begin so
			}
			got, without, err := all(strings.NewReader(text.String()), Options{})
			if err != nil || without != 0 || !slices.Equal(got, ids) {
				t.Errorf("%q: %q, %d, %v", text.String(), got, without, err)
			}
		}
	})
}

// FuzzRead checks that no file makes the reader panic, that every id can be the value of
// a header, and that what is wrong has a line of the file.
func FuzzRead(f *testing.F) {
	f.Add([]byte("jack\r\n-\n"), "")
	f.Add([]byte("a,id\n1,\"x\n\"\"y\"\n"), "id")
	f.Add([]byte(zipped(f, "\ufeffid\njack\n")), "")
	f.Add([]byte("\xff\xfe"), "")
	f.Fuzz(func(t *testing.T, file []byte, column string) {
		pr, err := Open(bytes.NewReader(file), Options{Column: column, Names: []string{"x-user-id"}})
		lines := bytes.Count(file, []byte("\n")) + 1
		for err == nil {
			var id []byte
			id, err = pr.Next()
			if err != nil {
				break
			}
			if message, _ := CheckID(id); len(id) == 0 || message != "" || string(id) == None {
				t.Fatalf("the id %q: %s", id, message)
			}
		}
		if e, ok := errors.AsType[*FileError](err); ok && !bytes.HasPrefix(file, gzipMagic) {
			for _, p := range e.Problems {
				if p.Line < 0 || p.Line > lines || p.Message == "" {
					t.Fatalf("%+v in a file of %d lines", p, lines)
				}
			}
		}
	})
}

// BenchmarkNext reads ids, a million bytes a time.
func BenchmarkNext(b *testing.B) {
	for name, row := range map[string]string{"text": "user-000001\n", "csv": "Jack,user-000001,v1\n"} {
		b.Run(name, func(b *testing.B) {
			head := ""
			if name == "csv" {
				head = "name,id,tag\n"
			}
			file := head + strings.Repeat(row, 100_000)
			b.ReportAllocs()
			for b.Loop() {
				pr, err := Open(strings.NewReader(file), Options{})
				for err == nil {
					_, err = pr.Next()
				}
				if pr.IDs() != 100_000 {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/id")
		})
	}
}
