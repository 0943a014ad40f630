package accesslog

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
)

var full = flag.Bool("full", false, "compare a million requests")

func load(tb testing.TB, src string) *rules.Table {
	tb.Helper()
	table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
	if table == nil {
		tb.Fatal(problems.Err())
	}
	return table
}

// lanes: jack is in bucket 2, stacy in bucket 25.
const lanes = `
rules:
- name: lane
  header: x-user-id
  tagHeader: tag
  overrides: [{values: [jason], tagValue: s2}]
  policies: [{range: 20, tagValue: s2}, {range: 50, tagValue: s1}]
- {name: trial, mode: shadow, header: x-user-id, tagHeader: tag, policies: [{range: 100, tagValue: s9}]}
- {name: second, keys: [{cookie: uid}, {visitor: {}}], tagHeader: tag, policies: [{tagValue: s3, ramp: [{at: 2026-12-01T10:00:00Z, range: 10}, {at: 2026-12-02T10:00:00Z, range: 100}]}]}
`

// TestCompare compares one line with the rules.
func TestCompare(t *testing.T) {
	t.Parallel()
	table := load(t, lanes)
	digest := table.Digest()
	bucket := func(n uint32) *uint32 { return &n }
	said := func(rules string) string {
		return `{"outcome":"tagged","rulesDigest":"` + digest + `","rulesSince":"","rules":{` + rules + `}}`
	}
	const byLane = `"lane":{"reason":"policy","tag":"s2","bucket":2},"trial":{"mode":"shadow","reason":"policy","tag":"s9","bucket":2}`
	for _, tt := range []struct {
		name, line string
		want       Report
	}{
		{"as it should be", `{"tags":{"tag":"s2"},"tagproc":0,"why":` + said(byLane) + `}`, Report{Compared: 1}},
		{"with fields of others, and other tags", `{"x":[1],"tags":{"tag":"s2","other":"a"},"why":` + said(byLane) + `}`, Report{Compared: 1}},
		{"another tag", `{"time":"2026-11-29T10:00:00.000Z","tags":{"tag":"s1"},"tagproc":0,"why":` + said(byLane) + `}`, Report{Compared: 1, Wrong: 1, List: []Wrong{
			{File: "log", Line: 1, Time: "2026-11-29T10:00:00.000Z", Header: "tag", Tag: "s1", Want: "s2", Rule: "lane", Bucket: bucket(2), Why: "bucket 2 of rule lane"},
		}}},
		{"no tag", `{"tags":{"tag":null},"why":` + said(byLane) + `}`, Report{Compared: 1, Wrong: 1, List: []Wrong{
			{File: "log", Line: 1, Header: "tag", Want: "s2", Rule: "lane", Bucket: bucket(2), Why: "bucket 2 of rule lane"},
		}}},
		{"no tag, and none is due", `{"tags":{"tag":"-"},"why":` + said(`"lane":{"reason":"no_policy","bucket":99}`) + `}`, Report{Compared: 1}},
		{"a tag that is in no rule's power", `{"tags":{"tag":"s2"},"why":` + said(``) + `}`, Report{Compared: 1, Wrong: 1, List: []Wrong{
			{File: "log", Line: 1, Header: "tag", Tag: "s2", Why: "no rule decides"},
		}}},
		{"an override", `{"tags":{"tag":"s2"},"why":` + said(`"lane":{"reason":"override","tag":"s2"}`) + `}`, Report{Compared: 1}},
		{"an override that is not there", `{"tags":{"tag":"s1"},"why":` + said(`"lane":{"reason":"override","tag":"s1"}`) + `}`, Report{Compared: 1, Wrong: 1, List: []Wrong{
			{File: "log", Line: 1, Header: "tag", Tag: "s1", Want: "s1", Rule: "lane", Why: "an override of rule lane"},
		}}},
		{"a bucket that is not there", `{"tags":{"tag":"s1"},"why":` + said(`"lane":{"reason":"policy","tag":"s1","bucket":100}`) + `}`, Report{Compared: 1, Wrong: 1, List: []Wrong{
			{File: "log", Line: 1, Header: "tag", Tag: "s1", Rule: "lane", Why: "tagproc named no bucket of the rule"},
		}}},
		{"before a ramp", `{"tags":{"tag":null},"why":` + said(`"second":{"reason":"no_policy","bucket":5}`) + `}`, Report{Compared: 1}},
		{"at its first step", `{"tags":{"tag":"s3"},"why":` + strings.Replace(said(`"second":{"reason":"policy","tag":"s3","bucket":5}`), `"rulesSince":""`, `"rulesSince":"2026-12-01T10:00:00Z"`, 1) + `}`, Report{Compared: 1}},
		{"at its first step, by what was before", `{"tags":{"tag":null},"why":` + strings.Replace(said(`"second":{"reason":"no_policy","bucket":5}`), `"rulesSince":""`, `"rulesSince":"2026-12-01T10:00:00Z"`, 1) + `}`, Report{Compared: 1, Wrong: 1, List: []Wrong{
			{File: "log", Line: 1, Header: "tag", Want: "s3", Rule: "second", Bucket: bucket(5), Why: "bucket 5 of rule second"},
		}}},
		{"with ids", `{"tags":{"tag":"s2"},"request":{"x-user-id":"jack","cookie":null},"why":` + said(byLane) + `}`, Report{Compared: 1, ByRequest: 1}},
		{"with the id of another bucket", `{"tags":{"tag":"s2"},"request":{"x-user-id":"stacy","cookie":null},"why":` + said(byLane) + `}`, Report{Compared: 1, ByRequest: 1, Wrong: 1, List: []Wrong{
			{File: "log", Line: 1, Header: "tag", Tag: "s2", Want: "s1", Rule: "lane", Bucket: bucket(25), Why: "by its request, bucket 25 of rule lane"},
		}}},
		{"with the id of a named user", `{"tags":{"tag":"s2"},"request":{"x-user-id":"jason","cookie":null},"why":` + said(byLane) + `}`, Report{Compared: 1, ByRequest: 1, Wrong: 1, List: []Wrong{
			{File: "log", Line: 1, Header: "tag", Tag: "s2", Want: "s2", Rule: "lane", Why: "by its request, override of rule lane"},
		}}},
		{"with some of what rules look at", `{"tags":{"tag":"s2"},"request":{"x-user-id":"stacy"},"why":` + said(byLane) + `}`, Report{Compared: 1}},
		{"a visitor who came without an id", `{"tags":{"tag":null},"request":{"x-user-id":null,"cookie":null},"why":` + said(`"second":{"reason":"no_policy","bucket":7}`) + `}`, Report{Compared: 1, ByRequest: 1}},
		{"other rules", `{"tags":{"tag":"s1"},"why":{"outcome":"tagged","rulesDigest":"0123456789abcdef","rules":{}}}`, Report{OtherRules: map[string]int64{"0123456789abcdef": 1}}},
		{"over the limits", `{"tags":{"tag":null},"why":{"outcome":"over_limits","rulesDigest":"` + digest + `"}}`, Report{Unanswered: map[string]int64{"over_limits": 1}}},
		{"over the limits, and forged", `{"tags":{"tag":"s2"},"tagproc":0,"why":{"outcome":"over_limits","rulesDigest":"` + digest + `"}}`, Report{Unanswered: map[string]int64{"over_limits": 1}, Wrong: 1, List: []Wrong{
			{File: "log", Line: 1, Header: "tag", Tag: "s2", Why: "tagproc gave it no tag (over_limits): a client sent it"},
		}}},
		{"over the limits of other rules", `{"tags":{"tag":"s2"},"tagproc":0,"why":{"outcome":"over_limits","rulesDigest":"0123456789abcdef"}}`, Report{Unanswered: map[string]int64{"over_limits": 1}}},
		{"without a tag header of the rules", `{"tags":{},"why":` + said(byLane) + `}`, Report{Unlogged: 1}},
		{"a digest that is none", `{"tags":{"tag":"s1"},"why":{"outcome":"tagged","rulesDigest":"0123","rules":{}}}`, Report{Unread: 1, FirstUnread: "log:1"}},
		{"an outcome that is none", `{"tags":{"tag":"s1"},"why":{"outcome":"` + strings.Repeat("x", 33) + `"}}`, Report{Unread: 1, FirstUnread: "log:1"}},
		{"a status that is none", `{"tags":{"tag":null},"tagproc":"fourteen","why":null}`, Report{Unread: 1, FirstUnread: "log:1"}},
		{"without tagproc", `{"tags":{"tag":null},"tagproc":14,"why":null}`, Report{Unanswered: map[string]int64{"tagproc=14": 1}}},
		{"without tagproc, as text", `{"tags":{"tag":"-"},"tagproc":"4","why":null}`, Report{Unanswered: map[string]int64{"tagproc=4": 1}}},
		{"not asked", `{"tags":{},"tagproc":null}`, Report{Unanswered: map[string]int64{"tagproc=-": 1}}},
		{"without tagproc, and forged", `{"tags":{"tag":"s2"},"tagproc":14}`, Report{Unanswered: map[string]int64{"tagproc=14": 1}, Wrong: 1, List: []Wrong{
			{File: "log", Line: 1, Header: "tag", Tag: "s2", Why: "tagproc did not answer: a client sent it"},
		}}},
		{"without --metadata", `{"tags":{"tag":"s2"},"tagproc":0,"why":null}`, Report{Unexplained: 1}},
		{"no JSON", `[2026-11-29 10:00:00.000][1][info] starting`, Report{Unread: 1, FirstUnread: "log:1"}},
		{"cut off", `{"tags":{"tag":"s2"},"tagpr`, Report{Unread: 1, FirstUnread: "log:1"}},
		{"another format", `{"tag":"s2"}`, Report{Unread: 1, FirstUnread: "log:1"}},
		{"an instant that is none", `{"tags":{"tag":"s2"},"why":{"outcome":"tagged","rulesSince":"noon"}}`, Report{Unread: 1, FirstUnread: "log:1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := NewComparer(table, 10)
			if err := c.Read(t.Context(), "log", strings.NewReader(tt.line+"\n")); err != nil {
				t.Fatal(err)
			}
			tt.want.RulesDigest = digest
			if tt.want.Requests = 1; tt.want.Unread > 0 {
				tt.want.Requests = 0
			}
			if diff := cmp.Diff(tt.want, c.Report, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", tt.line, diff)
			}
		})
	}
}

// A log makes up lines. One of them is wrong.
type log struct {
	table    *rules.Table
	n, wrong int
	made     int
	rest     []byte
}

func (l *log) Read(p []byte) (int, error) {
	for len(l.rest) < len(p) && l.made < l.n {
		l.made++
		bucket := l.made * 7919 % 100
		tag := []string{"s2", "s1"}[min(1, bucket/20)]
		had := tag
		if l.made == l.wrong {
			had = "s1"
			bucket, tag = 5, "s2"
		}
		l.rest = fmt.Appendf(l.rest, `{"time":"2026-11-29T10:00:00.000Z","host":"shop.example.com","tags":{"tag":%q},"route":"s2","status":200,"flags":"-","tagproc":0,`+
			`"why":{"outcome":"tagged","rules":{"lane":{"reason":"policy","tag":%q,"bucket":%d}},"rulesDigest":%q}}`+"\n", had, tag, bucket, l.table.Digest())
	}
	n := copy(p, l.rest)
	l.rest = append(l.rest[:0], l.rest[n:]...)
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// TestOneOfAMillion plants one wrong line in a log: it is found, and named.
func TestOneOfAMillion(t *testing.T) {
	t.Parallel()
	n := 20_000
	if *full {
		n = 1_000_000
	}
	table := load(t, "rules: [{name: lane, header: x-user-id, tagHeader: tag, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}]")
	c := NewComparer(table, 10)
	if err := c.Read(t.Context(), "access.log", &log{table: table, n: n, wrong: n - 1234}); err != nil {
		t.Fatal(err)
	}
	if r := c.Report; r.Compared != int64(n) || r.Wrong != 1 || len(r.List) != 1 || r.List[0].Line != n-1234 || r.List[0].File != "access.log" || r.List[0].Want != "s2" {
		t.Errorf("of %d requests the report is %+v", n, r)
	}
}

// TestFiles reads a log that is packed, one with a line of 2 MiB, and one that is cut off.
func TestFiles(t *testing.T) {
	t.Parallel()
	table := load(t, "rules: [{name: lane, header: x-user-id, tagHeader: tag, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}]")
	plain, err := io.ReadAll(&log{table: table, n: 100})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	c := NewComparer(table, 10)
	for name, text := range map[string]io.Reader{
		"access.log":      bytes.NewReader(bytes.TrimSuffix(plain, []byte("\n"))),
		"access.log.1.gz": bytes.NewReader(packed.Bytes()),
		"access.log.2":    io.MultiReader(strings.NewReader("{"+strings.Repeat(" ", 2<<20)+"\n\r\n"), bytes.NewReader(plain)),
	} {
		if err := c.Read(t.Context(), name, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r := c.Report; r.Requests != 300 || r.Compared != 300 || r.Wrong != 0 || r.Unread != 1 || r.FirstUnread != "access.log.2:1" {
		t.Errorf("the report is %+v", r)
	}
	if err := c.Read(t.Context(), "cut.gz", bytes.NewReader(packed.Bytes()[:packed.Len()/2])); err == nil || !strings.Contains(err.Error(), "cut off or damaged") {
		t.Errorf("a log that is cut off: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Read(ctx, "long", &log{table: table, n: 2 * ctxLines}); !errors.Is(err, context.Canceled) {
		t.Errorf("a log that nobody waits for: %v", err)
	}
}

// TestOutcomes checks that the outcomes with tags are those of tagproc.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"tagged", "cleaned", "unchanged"} {
		if !strings.Contains(strings.Join(processor.Outcomes(), " "), name) {
			t.Errorf("tagproc has no outcome %s", name)
		}
	}
}

// FuzzRead reads anything.
func FuzzRead(f *testing.F) {
	table := load(f, lanes)
	f.Add([]byte(`{"tags":{"tag":"s2"},"request":{"x-user-id":"a","cookie":"uid=1"},"why":{"outcome":"tagged","rulesDigest":"` + table.Digest() + `","rules":{"lane":{"reason":"policy","bucket":2.5}}}}`))
	f.Add([]byte("{\n\x1f\x8b"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := NewComparer(table, 3)
		_ = c.Read(t.Context(), "log", bytes.NewReader(text)) // whatever it says
		if r := c.Report; r.Compared > r.Requests || r.Wrong > r.Requests || len(r.List) > 3 {
			t.Errorf("the report of %q is %+v", text, r)
		}
	})
}

// TestKindsAreBounded checks that a log of many digests takes no more memory than one of few.
func TestKindsAreBounded(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	for i := range 3 * mostKinds {
		fmt.Fprintf(&log, `{"tags":{"tag":"s1"},"why":{"outcome":"tagged","rulesDigest":"%016x"}}`+"\n", i)
	}
	c := NewComparer(load(t, lanes), 10)
	if err := c.Read(t.Context(), "log", strings.NewReader(log.String())); err != nil {
		t.Fatal(err)
	}
	if got := c.Report.OtherRules; len(got) != mostKinds+1 || got["others"] != 2*mostKinds {
		t.Errorf("%d digests are told apart, and %d requests are of others; want %d and %d", len(got)-1, got["others"], mostKinds, 2*mostKinds)
	}
}
