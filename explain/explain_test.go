package explain

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protojson"

	tagprocv1 "github.com/tagproc/tagproc/proto/tagproc/v1"

	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/internal/walkthrough"
	"github.com/tagproc/tagproc/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func load(t *testing.T, src string) *rules.Table {
	t.Helper()
	table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
	if table == nil {
		t.Fatal(problems.Err())
	}
	return table
}

// TestWalkthroughs holds the tags of every user of both walk-throughs.
func TestWalkthroughs(t *testing.T) {
	steps, err := walkthrough.Steps()
	if err != nil || len(steps) == 0 {
		t.Fatal(steps, err)
	}
	for _, s := range steps {
		src, err := s.Rules()
		if err != nil {
			t.Fatal(err)
		}
		table := load(t, string(src))
		for _, u := range s.Users {
			got := map[string]string{}
			for _, set := range Request(table, []Header{{"X-User-ID", u.ID}}).Set {
				got[set.Name] = set.Value
			}
			for name, want := range u.Tags {
				if got[name] != want {
					t.Errorf("%s: %s gets %s: %q, want %q", s.Name, u.ID, name, got[name], want)
				}
			}
			if len(got) != len(u.Tags) {
				t.Errorf("%s: %s gets the tags %v, want %v", s.Name, u.ID, got, u.Tags)
			}
		}
	}
}

const several = `
rules:
- name: named
  header: x-user-id
  tagHeader: appver-a
  overrides: [{values: [bob], none: true}, {values: [jason], tagValue: v2}]
  policies: [{range: 5, tagValue: v2}, {range: 60, tagValue: v3}]
- {name: second, header: x-user-id, tagHeader: appver-a, policies: [{range: 100, tagValue: v4}]}
- {name: trial, header: x-user-id, tagHeader: appver-a, mode: shadow, policies: [{range: 100, tagValue: v5}]}
- {name: stopped, header: x-user-id, tagHeader: appver-a, mode: off, policies: [{range: 100, tagValue: v6}]}
- {name: devices, header: x-device-id, tagHeader: appver-b, policies: [{range: 100, tagValue: v2}]}
`

func TestRequest(t *testing.T) {
	table := load(t, several)
	for _, tt := range []struct {
		user string
		want *tagprocv1.RuleDecision // of the first rule
	}{
		{"bob", &tagprocv1.RuleDecision{
			Reason: tagprocv1.Reason_REASON_OVERRIDE, DecidedBy: &tagprocv1.RuleDecision_Override{Override: &tagprocv1.Override{Index: 0, Value: "bob"}},
		}},
		{"jason", &tagprocv1.RuleDecision{
			Reason: tagprocv1.Reason_REASON_OVERRIDE, TagValue: new("v2"), DecidedBy: &tagprocv1.RuleDecision_Override{Override: &tagprocv1.Override{Index: 1, Value: "jason"}},
		}},
		{"jack", &tagprocv1.RuleDecision{
			Reason: tagprocv1.Reason_REASON_POLICY, TagValue: new("v2"), HashValue: new(uint64(777243802)), Bucket: new(uint32(2)),
			DecidedBy: &tagprocv1.RuleDecision_Policy{Policy: &tagprocv1.Policy{Index: 0, LowerBound: 0, Range: 5}},
		}},
		{"vance", &tagprocv1.RuleDecision{
			Reason: tagprocv1.Reason_REASON_POLICY, TagValue: new("v3"), HashValue: new(uint64(764781954)), Bucket: new(uint32(54)),
			DecidedBy: &tagprocv1.RuleDecision_Policy{Policy: &tagprocv1.Policy{Index: 1, LowerBound: 5, Range: 60}},
		}},
		{"0001", &tagprocv1.RuleDecision{
			Reason: tagprocv1.Reason_REASON_NO_POLICY, HashValue: new(uint64(3035484482)), Bucket: new(uint32(82)),
		}},
	} {
		tt.want.Name, tt.want.Mode, tt.want.Hash, tt.want.Modulo, tt.want.TagHeader = "named", tagprocv1.Mode_MODE_ENFORCE, "fnv1a32", 100, "appver-a"
		tt.want.Key = &tagprocv1.Key{Source: "header", Name: "x-user-id", Value: &tt.user}
		d := Request(table, []Header{{"x-user-id", tt.user}, {"x-user-id", "another"}})
		if got, want := protojson.Format(d.Rules[0]), protojson.Format(tt.want); got != want {
			t.Errorf("%s: the first rule decides\n%s\nwant\n%s", tt.user, got, want)
		}
		reasons := ""
		for _, r := range d.Rules[1:] {
			reasons += strings.TrimPrefix(r.Reason.String(), "REASON_") + " "
		}
		if want := "SUPERSEDED POLICY OFF NO_KEY "; reasons != want {
			t.Errorf("%s: the other rules decide %s, want %s", tt.user, reasons, want)
		}
		var text strings.Builder
		if err := WriteText(terminal.New(&text), d); err != nil || !strings.Contains(text.String(), table.Digest()) {
			t.Errorf("%s: WriteText = %v, %s", tt.user, err, text.String())
		}
	}
	if d := Request(table, []Header{{"x-user-id", "a\xff"}}); d.Rules[0].Key.GetValue() != "a\uFFFD" || d.Rules[0].GetBucket() != 73 {
		t.Errorf("a key that is not UTF-8: %v", d.Rules[0])
	}
}
