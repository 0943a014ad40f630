package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
)

// TestSummary checks that the text of changes has at most the bytes that there is room for,
// and says how many changes there are.
func TestSummary(t *testing.T) {
	t.Parallel()
	const change = "rule checkout: mode shadow → enforce"
	for _, tt := range []struct {
		changes []string
		leftOut int
		most    int
		want    string
	}{
		{nil, 0, 50, "none"},
		{[]string{change}, 0, 50, change},
		{[]string{change, "b", "c"}, 0, 50, change + "; b; c"},
		{[]string{change, "b", "c", strings.Repeat("d", 100)}, 7, 70, change + "; b; c; and 8 more"},
		{[]string{change, "b"}, 0, 40, "rule checkout: mode shado…; and 1 more"},
		{[]string{`a "quoted" one`}, 0, 15, `a "quoted"…`},
		{[]string{change}, 1000, 5, "…; and 1000 more"},
	} {
		if got := summary(tt.changes, tt.leftOut, tt.most); got != tt.want {
			t.Errorf("summary of %q and %d in %d bytes = %q, want %q", tt.changes, tt.leftOut, tt.most, got, tt.want)
		}
	}
}

// TestLoadIsOneShortLine checks that each change of the rules is one line of at most 300
// bytes that says from what to what, and that all of it is there for who looks closely.
func TestLoadIsOneShortLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 120)
	var many strings.Builder
	for i := range 50 {
		fmt.Fprintf(&many, "- {name: %s-%d, match: {headers: [{name: x, exact: '\"%s\"'}]}, header: x-user-id, tagHeader: tag, policies: [{range: 50, tagValue: s2}]}\n", long, i, long)
	}
	sources := []string{
		"rules: []\n",
		"rules:\n- {header: x-user-id, tagHeader: tag, policies: [{range: 20, tagValue: s2}]}\n",
		"rules:\n- {header: x-user-id, tagHeader: tag, policies: [{range: 30, tagValue: s2}]}\n",
		"rules:\n" + many.String(),
		"rules:\n- {header: x-user-id, tagHeader: tag, policies: [{tagValue: s2, ramp: [{at: 2020-12-01T08:00:00.123456789Z, range: 10}, {at: 2100-01-01T00:00:00.123456789Z, range: 100}]}]}\n",
	}
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log, err := newLogger(&out, format, "debug")
		if err != nil {
			t.Fatal(err)
		}
		file := t.TempDir() + "/rules.yaml"
		writeRules(t, file, sources[0])
		s, err := newServer(t.Context(), serverOptions{rulesFile: file, listen: []string{"127.0.0.1:0"}, log: log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.close)
		before := "none"
		for _, src := range sources {
			table, problems := rules.Load(file, []byte(src), rules.Options{})
			if table == nil {
				t.Fatal(problems.Err())
			}
			out.Reset()
			s.apply(rulefile.Load{Table: table})
			var line string
			details := 0
			for l := range strings.Lines(out.String()) {
				if strings.Contains(l, "rules are live") {
					line += l
				}
				details += strings.Count(l, "what the load changes")
			}
			if strings.Count(line, "\n") != 1 || len(line) > 300+1 || !strings.Contains(line, before) || !strings.Contains(line, table.Digest()) {
				t.Errorf("%s: the line has %d bytes, want at most %d with %s and %s:\n%s", format, len(line), 300, before, table.Digest(), line)
			}
			if want := len(rules.Changes(nil, table, time.Time{})); before == "none" && details != want {
				t.Errorf("%s: %d details, want %d:\n%s", format, details, want, out.String())
			}
			before = table.Digest()
		}
		s.processor.SetTable(nil)
	}
}
