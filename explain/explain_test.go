package explain

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/internal/walkthrough"
	"github.com/tagproc/tagproc/rules"
)

func TestMain(m *testing.M) { leak.Main(m) }

func load(t *testing.T, src string) *rules.Table {
	t.Helper()
	table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
	if table == nil {
		t.Fatal(problems.Err())
	}
	return table
}

// TestWalkthroughs checks the tags of every user of both walk-throughs.
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
		want string // of the first rule, beside what all have
	}{
		{"bob", `"reason": "override", "override": {"number": 1}`},
		{"jason", `"reason": "override", "tag": "v2", "override": {"number": 2}`},
		{"jack", `"reason": "policy", "tag": "v2", "hashValue": 777243802, "bucket": 2, "policy": {"number": 1, "from": 0, "range": 5}`},
		{"vance", `"reason": "policy", "tag": "v3", "hashValue": 764781954, "bucket": 54, "policy": {"number": 2, "from": 5, "range": 60}`},
		{"0001", `"reason": "no_policy", "hashValue": 3035484482, "bucket": 82`},
	} {
		d := Request(table, []Header{{"x-user-id", tt.user}, {"x-user-id", "another"}})
		want := `{"name": "named", "mode": "enforce", "key": {"source": "header", "name": "x-user-id", "value": "` + tt.user + `"},
			"hash": "fnv1a32", "modulo": 100, "tagHeader": "appver-a", ` + tt.want + `}`
		if diff := cmp.Diff(decoded(t, want), decoded(t, encoded(t, d.Rules[0]))); diff != "" {
			t.Errorf("%s: the first rule (-want +got):\n%s", tt.user, diff)
		}
		reasons := ""
		for _, r := range d.Rules[1:] {
			reasons += r.Reason + " "
		}
		if want := "superseded policy off no_key "; reasons != want {
			t.Errorf("%s: the other rules decide %s, want %s", tt.user, reasons, want)
		}
		var text strings.Builder
		if err := WriteText(terminal.New(&text), d); err != nil || !strings.Contains(text.String(), table.Digest()) {
			t.Errorf("%s: WriteText = %v, %s", tt.user, err, text.String())
		}
	}
	if r := Request(table, []Header{{"x-user-id", "a\xff"}}).Rules[0]; *r.Key.Value != "a\uFFFD" || *r.Bucket != 73 {
		t.Errorf("a key that is not UTF-8: %s", encoded(t, r))
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err, text)
	}
	return v
}

// TestHashValue checks that a reader of JSON gets every bit of a hash.
func TestHashValue(t *testing.T) {
	for want, rule := range map[string]string{
		`777243802`:             "{header: x-user-id, tagHeader: t, policies: [{range: 100, tagValue: v}]}",
		`"3101373280497363696"`: "{header: x-user-id, tagHeader: t, hash: xxh3, policies: [{range: 100, tagValue: v}]}",
	} {
		d := Request(load(t, "rules: ["+rule+"]"), []Header{{"x-user-id", "jack"}})
		if got := encoded(t, d.Rules[0].HashValue); got != want {
			t.Errorf("the hash is %s, want %s", got, want)
		}
	}
}

// TestRemoved checks that headers of a client that only tagproc sets are shown.
func TestRemoved(t *testing.T) {
	table := "rules: [{header: x-user-id, tagHeader: appver-a, policies: [{range: 50, tagValue: v}]}]\n"
	declared := "tagHeaders: {headerPrefixes: [appver]}\n"
	for _, tt := range []struct {
		rules   string
		headers []Header
		want    []string
	}{
		{table, []Header{{"x-user-id", "jack"}, {"Appver-A", "v9"}, {"appver-a", "v8"}, {"appver-b", "v9"}}, []string{"appver-a"}},
		{declared + table, []Header{{"appver-a", "v9"}, {"appver-b", "v9"}, {"x-user-id", "vance"}, {"cookie", "c"}}, []string{"appver-a", "appver-b"}},
		{declared + table, []Header{{"APPVER_a", "v9"}, {"appver.b", "v9"}, {"x-user-id", "vance"}}, []string{"appver_a", "appver.b"}},
		{"trustClientTags: true\n" + table, []Header{{"x-user-id", "vance"}, {"appver-a", "v9"}}, []string{}},
		{"trustClientTags: true\n" + table, []Header{{"x-user-id", "jack"}, {"appver-a", "v9"}}, []string{"appver-a"}},
	} {
		if got := Request(load(t, tt.rules), tt.headers).Removed; !slices.Equal(got, tt.want) {
			t.Errorf("%s of %v removes %q, want %q", tt.rules, tt.headers, got, tt.want)
		}
	}
}

func TestHints(t *testing.T) {
	table := load(t, several)
	for _, tt := range []struct {
		headers []Header
		want    []string
	}{
		{[]Header{{"x-userid", "jack"}}, []string{`no rule reads the header "x-userid" (did you mean "x-user-id"?)`}},
		{[]Header{{"X_User_Id", "jack"}}, []string{`no rule reads the header "X_User_Id" (did you mean "x-user-id"?)`}},
		{[]Header{{"x-user-id", "jack"}, {"x-userid", "jack"}}, nil},
		{[]Header{{"x-device-id", "d"}, {"appver-a", "v2"}, {"accept", "*/*"}, {"cookie", "a"}}, nil},
	} {
		if got := Hints(table, tt.headers); !slices.Equal(got, tt.want) {
			t.Errorf("Hints of %v = %q, want %q", tt.headers, got, tt.want)
		}
	}
}
