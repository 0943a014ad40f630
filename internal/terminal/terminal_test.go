package terminal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestEscape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                    "",
		"plain ~ text":        "plain ~ text",
		"Grüße 你好 🦊":          "Grüße 你好 🦊",
		"\x1b[2K\r\a\b\x7f":   `\x1b[2K\r\a\b\x7f`,
		"\u009b31m":           `\u009b31m`,
		"a\nb\tc\x00":         `a\nb\tc\x00`,
		"\u202eabc\u2066":     `\u202eabc\u2066`,
		"\u200b\ufeff\u2028":  `\u200b\ufeff\u2028`,
		"a\u00a0b":            `a\u00a0b`,
		"not UTF-8: \xff\x9b": `not UTF-8: \xff\x9b`,
		"\U000e0041":          `\U000e0041`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %s, want %s", in, got, want)
		}
	}
}

// TestPrintf checks that arguments of every sort are escaped, and formats are not.
func TestPrintf(t *testing.T) {
	t.Parallel()
	const evil = "\x1b[31m\u009b\n"
	for _, tt := range []struct {
		format string
		arg    any
		want   string
	}{
		{"%s\n", evil, `\x1b[31m\u009b\n` + "\n"},
		{"%v\t|\n", errors.New(evil), `\x1b[31m\u009b\n` + "\t|\n"},
		{"%q", evil, `"\x1b[31m\u009b\n"`},
		{"%v", []string{evil}, `[\x1b[31m\u009b\n]`},
		{"%+v", struct{ A []byte }{[]byte("x")}, "{A:[120]}"},
		{"%-8s|", "é", "é       |"},
		{"%5d|%%", 42, "   42|%"},
		{"%.2f", 1.005, "1.00"},
		{"%s", Bold.Textf("%s!", evil), `\x1b[31m\u009b\n!`},
		{"%s", Line("\ta\x1b\u009bb"), "\ta\uFFFD\uFFFDb"},
	} {
		var out strings.Builder
		New(&out).Printf(tt.format, tt.arg)
		if out.String() != tt.want {
			t.Errorf("Printf(%q, %q) writes %q, want %q", tt.format, tt.arg, out.String(), tt.want)
		}
	}
	var out strings.Builder
	Colored(&out).Printf("%s", Bold.Textf("%s", "a\x1b"))
	if got := out.String(); !strings.HasPrefix(got, "\x1b[1m"+`a\x1b`+"\x1b[") {
		t.Errorf("in colour: %q, want bold around the escaped text", got)
	}
}

// TestHostile checks that only printable text of an argument reaches the terminal, and
// that JSON keeps its meaning.
func TestHostile(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		var out strings.Builder
		w := New(&out)
		w.Printf("%s%v%q%s", text, errors.New(text), text, Faint.Textf("%s", text))
		isHostile := func(r rune) bool { return !strconv.IsPrint(r) }
		if got := out.String(); strings.ContainsFunc(got, isHostile) || !utf8.ValidString(got) {
			t.Fatalf("Printf of %q writes %q", text, got)
		}
		out.Reset()
		if err := w.JSON(text); err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal([]byte(out.String()), &back); err != nil || back != strings.ToValidUTF8(text, "\uFFFD") && utf8.ValidString(text) {
			t.Fatalf("JSON of %q is %s, which is %q (%v)", text, out.String(), back, err)
		}
		if got := strings.TrimSuffix(out.String(), "\n"); strings.ContainsFunc(got, isHostile) {
			t.Fatalf("JSON of %q is %q", text, got)
		}
	})
}

func TestDocument(t *testing.T) {
	t.Parallel()
	const text = "a: b\n\t# \x1b[2K\u202e\r\n"
	for _, tt := range []struct {
		writer func(io.Writer) *Writer
		want   string
	}{
		{New, text},
		{Colored, "a: b\n\t# " + `\x1b[2K\u202e\r` + "\n"},
	} {
		var out strings.Builder
		if err := tt.writer(&out).Document([]byte(text)); err != nil || out.String() != tt.want {
			t.Errorf("Document writes %q, %v, want %q", out.String(), err, tt.want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	New(&out).Table(func(w *Writer) {
		w.Printf("a\t%s\n", "b\tc\n")
		w.Printf("%s\tx\n", "long")
	})
	if want := "a      b" + `\tc\n` + "\nlong   x\n"; out.String() != want {
		t.Errorf("Table writes %q, want %q", out.String(), want)
	}
}

type failing struct{ writes int }

func (f *failing) Write([]byte) (int, error) {
	f.writes++
	return 0, fmt.Errorf("write %d fails", f.writes)
}

// TestErr checks that the first error is kept and nothing is written behind it.
func TestErr(t *testing.T) {
	t.Parallel()
	f := &failing{}
	w := New(f)
	w.Printf("a")
	w.Status("b")
	w.Table(func(w *Writer) { w.Printf("c\n") })
	if err := w.JSON(1); err == nil || err.Error() != "write 1 fails" || f.writes != 1 {
		t.Errorf("error %v after %d writes, want that of the first, which is the last", err, f.writes)
	}
}
