package observed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/internal/walkthrough"
	"github.com/tagproc/tagproc/people"
	"github.com/tagproc/tagproc/rules"
)

func TestMain(m *testing.M) { leak.Main(m) }

func load(tb testing.TB, src []byte) *rules.Table {
	tb.Helper()
	table, problems := rules.Load("rules.yaml", src, rules.Options{})
	if table == nil {
		tb.Fatal(problems.Err())
	}
	return table
}

func read(tb testing.TB, file string) []byte {
	tb.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return src
}

// TestGolden checks the report of each good file and the errors of each bad one.
func TestGolden(t *testing.T) {
	table := load(t, read(t, "testdata/rules.yaml"))
	files, err := filepath.Glob("testdata/*/*.csv")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files (%v), want at least 15", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, "testdata/"), func(t *testing.T) {
			t.Parallel()
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			report, err := Compare(t.Context(), f, table, Options{Show: 3})
			if good := filepath.Base(filepath.Dir(file)) == "ok"; good != (err == nil) {
				t.Errorf("Compare = %v, want an error: %v", err, !good)
			}
			golden.Check(t, strings.TrimSuffix(file, ".csv")+".out", text(t, report, err))
		})
	}
}

// text is a report as JSON, or an error as text.
func text(t *testing.T, report *Report, err error) string {
	t.Helper()
	if e, ok := errors.AsType[*people.FileError](err); ok {
		var out strings.Builder
		for _, p := range e.Problems {
			fmt.Fprintf(&out, "%d:%d: %s\n", p.Line, p.Col, p.Message)
		}
		return out.String()
	}
	if err != nil {
		return err.Error() + "\n"
	}
	out, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

// TestWalkthroughs checks that what users of the walk-throughs see is what the
// rules decide, and that a user who sees something else is found.
func TestWalkthroughs(t *testing.T) {
	steps, err := walkthrough.Steps()
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, s := range steps {
		if s.Manifest == "none" {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			src, err := s.Rules()
			if err != nil {
				t.Fatal(err)
			}
			table := load(t, src)
			headers := table.TagHeaders()
			csv := "x-user-id," + strings.Join(headers, ",") + "\n"
			for _, u := range s.Users {
				csv += u.ID
				for _, h := range headers {
					csv += "," + u.Tags[h]
				}
				csv += "\n"
			}
			report, err := Compare(t.Context(), strings.NewReader(csv), table, Options{})
			if err != nil || !report.OK() || report.Users != int64(len(s.Users)) {
				t.Errorf("Compare = %+v, %v, want %d users who all get the same", report, err, len(s.Users))
			}
			csv += "0042" + strings.Repeat(",other", len(headers)) + "\n"
			report, err = Compare(t.Context(), strings.NewReader(csv), table, Options{})
			if err != nil || report.OK() || report.Elsewhere != 1 {
				t.Errorf("Compare = %+v, %v, want one user who would be sent elsewhere", report, err)
			}
			compared++
		})
	}
	if compared < 5 {
		t.Errorf("%d steps were compared, want all with a manifest", compared)
	}
}

const twoKeys = `
tagHeaders: {headerPrefixes: [appver]}
rules:
- {name: users, header: x-user-id, tagHeader: appver-a, policies: [{range: 10, tagValue: v2}]}
- {name: devices, header: x-device-id, tagHeader: appver-a, policies: [{range: 100, tagValue: v3}]}
- {name: dashes, header: x-user-id, tagHeader: appver-b, policies: [{range: 10, tagValue: "-"}]}
`

func TestColumns(t *testing.T) {
	table := load(t, []byte(twoKeys))
	for _, tt := range []struct {
		name, head, row string
		columns         map[string]string
		want            string // the tags that differ, or the error
	}{
		{"by the header", "X-Device-ID,X-User-ID,AppVer-A", "d1,jack,v2", nil, "[]"},
		{"another", "dev,uid,ver", "d1,jack,v2", map[string]string{"X-Device-Id": "DEV", "x-user-id": "uid", "appver-a": "ver"}, "[]"},
		{"another first", "ver,x-device-id,x-user-id,appver-a", "v2,d1,jack,v7", map[string]string{"appver-a": "ver"}, "[]"},
		{"only one key is there", "x-device-id,x-user-id,appver-a", "d1,-,v3", nil, "[]"},
		{"two headers", "x-device-id,x-user-id,appver-a,appver-b", "d1,jack,v2,-", nil, "[]"},
		{
			"two keys do not share id", "id,appver-a", "jack,v2", nil,
			`the first line has no column "x-user-id" for the header x-user-id; it has "id", "appver-a"`,
		},
		{
			"two tag headers do not share tag", "x-device-id,x-user-id,tag", "d1,jack,v2", nil,
			`the first line has no column "appver-a" or "appver-b"; it has "x-device-id", "x-user-id", "tag"`,
		},
		{
			"named and not there", "x-device-id,x-user-id,appver-a", "d1,jack,v2",
			map[string]string{"appver-b": "b"},
			`the first line has no column "b" for the header appver-b; it has "x-device-id", "x-user-id", "appver-a"`,
		},
		{
			"no such header", "x-device-id,x-user-id,appver-a", "d1,jack,v2",
			map[string]string{"appver-z": "z"},
			`"appver-z" is not a header of the rules; they have appver-a, appver-b, x-user-id, x-device-id`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			report, err := Compare(t.Context(), strings.NewReader(tt.head+"\n"+tt.row+"\n"), table, Options{Columns: tt.columns, Show: 1})
			got := fmt.Sprint(err)
			if err == nil {
				got = fmt.Sprint(report.Different)
			}
			if got != tt.want {
				t.Errorf("Compare: %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestMappings(t *testing.T) {
	table := load(t, read(t, "testdata/rules.yaml"))
	const csv = "id,appver-a,appver-b\njack,new,v1\njessie,v1,v2\nstacy,v1,v3\nvance,v1,-\n"
	for _, tt := range []struct {
		name           string
		mappings       []string
		elsewhere      int64
		unknown, moves string
		unused         []string
	}{
		{"none", nil, 4, "[{appver-a new 1} {appver-a v1 3} {appver-b v1 1}]", "[{appver-a v1  3} {appver-a new v2 1} {appver-b v1  1}]", []string{}},
		{"for all", []string{"v1=", "new=v2"}, 0, "[]", "[]", []string{}},
		{"for one", []string{"AppVer-A:v1=", "appver-a:new=v2"}, 1, "[{appver-b v1 1}]", "[{appver-b v1  1}]", []string{}},
		{"one before all", []string{"v1=v2", "appver-a:v1=", "appver-b:v1=", "new=v2"}, 0, "[]", "[]", []string{"v1=v2"}},
		{"unused", []string{"v1=", "new=v2", "appver-z:v1=v2", "v4=a=b"}, 0, "[]", "[]", []string{"appver-z:v1=v2", "v4=a=b"}},
		{"of none", []string{"v1=", "new=v2", "-=v3"}, 1, "[]", "[{appver-b v3  1}]", []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var o Options
			for _, s := range tt.mappings {
				m, err := ParseMapping(s, table)
				if err != nil {
					t.Fatal(err)
				}
				o.Mappings = append(o.Mappings, m)
			}
			r, err := Compare(t.Context(), strings.NewReader(csv), table, o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Elsewhere != tt.elsewhere || fmt.Sprint(r.UnknownTags) != tt.unknown || fmt.Sprint(r.Moves) != tt.moves || !cmp.Equal(r.UnusedMappings, tt.unused) {
				t.Errorf("Compare: %d elsewhere, unknown %v, moves %v, unused %q\nwant %d, %s, %s, %q",
					r.Elsewhere, r.UnknownTags, r.Moves, r.UnusedMappings, tt.elsewhere, tt.unknown, tt.moves, tt.unused)
			}
		})
	}
	if _, err := ParseMapping("v2", table); err == nil {
		t.Error("ParseMapping(\"v2\") has no error")
	}
}

// endless repeats a text for ever, and fails the test if that is read for long.
type endless struct {
	t    *testing.T
	text string
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.read += len(p); e.read > 100<<20 {
		e.t.Fatal("100 MiB were read")
	}
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.text)
	}
	return n, nil
}

// TestBounded checks that a file without an end in a row ends all the same.
func TestBounded(t *testing.T) {
	table := load(t, read(t, "testdata/rules.yaml"))
	for name, tt := range map[string]struct{ head, rest, want string }{
		"a quote":     {"id,appver-a\njack,v2\n", "\"jessie,v2\n", "3:1: this row has more than 1048576 bytes (1 MiB); is a quote not closed?\n"},
		"many rows":   {"id,appver-a\n" + strings.Repeat("jack,v2\n", 2000), "\"jessie,v2\n", "2002:1: this row has more than 1048576 bytes (1 MiB); is a quote not closed?\n"},
		"a line":      {"id,appver-a\n", "jack", "2:1: this row has more than 1048576 bytes (1 MiB); is a quote not closed?\n"},
		"a head":      {"", "id", "1:1: this row has more than 1048576 bytes (1 MiB); is a quote not closed?\n"},
		"empty lines": {"id,appver-a\n", "\n", "2:1: this row has more than 1048576 bytes (1 MiB); is a quote not closed?\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rest := &endless{t: t, text: tt.rest}
			if tt.rest[0] == '"' { // the quote is opened once
				tt.head, rest.text = tt.head+`"`, tt.rest[1:]
			}
			_, err := Compare(t.Context(), io.MultiReader(strings.NewReader(tt.head), rest), table, Options{})
			if got := text(t, nil, err); got != tt.want {
				t.Errorf("Compare: %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestMaxUsers checks that no more users are remembered than are allowed, and that
// the report says so.
func TestMaxUsers(t *testing.T) {
	table := load(t, read(t, "testdata/rules.yaml"))
	csv := "id,appver-a\na,\nb,\na,\nc,\nc,v2\nb,v2\n"
	r, err := compare(t.Context(), strings.NewReader(csv), table, Options{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("users %d, repeated %d, contradicting %d, not remembered %d", r.Users, r.Repeated, r.Contradicting, r.NotRemembered)
	if want := "users 4, repeated 1, contradicting 1, not remembered 2"; got != want {
		t.Errorf("Compare: %s, want %s", got, want)
	}
}

// TestCanceled checks that a long file is given up when nobody waits any more.
func TestCanceled(t *testing.T) {
	table := load(t, read(t, "testdata/rules.yaml"))
	ctx, cancel := context.WithCancel(t.Context())
	var reported int64
	o := Options{Progress: func(rows, bytes int64) {
		if reported = rows; rows > 0 && bytes > rows {
			cancel()
		}
	}}
	in := io.MultiReader(strings.NewReader("id,appver-a\n"), &endless{t: t, text: "jack,v2\n"})
	if _, err := Compare(ctx, in, table, o); !errors.Is(err, context.Canceled) || reported == 0 {
		t.Errorf("Compare = %v after progress of %d rows, want %v after some", err, reported, context.Canceled)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestReadError checks that a file that cannot be read to its end is not taken for
// a shorter one.
func TestReadError(t *testing.T) {
	table := load(t, read(t, "testdata/rules.yaml"))
	in := io.MultiReader(strings.NewReader("id,appver-a\njack,v2\n"), failing{})
	if r, err := Compare(t.Context(), in, table, Options{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Compare = %+v, %v, want %v", r, err, io.ErrUnexpectedEOF)
	}
	if r, err := Compare(t.Context(), in, load(t, []byte("rules: []")), Options{}); err == nil {
		t.Errorf("Compare with no rules = %+v, want an error", r)
	}
}
