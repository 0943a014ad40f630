package admin

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/state"
)

// supposed is the file that the questions are about.
const supposed = `
rules:
- name: it's
  header: x-user-id
  tagHeader: tag
  overrides: [{values: [frida], tagValue: s2}]
  policies:
  - {range: 20, tagValue: s2}
  - {from: 30, range: 40, tagValue: s3}
  - {tagValue: s4, ramp: [{at: 2026-12-01T10:00:00Z, range: 60}, {at: 2026-12-02T10:00:00Z, range: 100}]}
- {name: parts, header: x-user-id, tagHeader: other, partitions: [{partitionSize: 20, tagValue: a}, {partitionSize: 80, tagValue: "no"}]}
`

// TestWhatIf asks what became of users, and checks who would move, the command and the
// policies.
func TestWhatIf(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	page := func(of, share string) string {
		request := httptest.NewRequest(http.MethodGet, "http://localhost/whatif?"+url.Values{"of": {of}, "share": {share}}.Encode(), nil)
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, request)
		if w.Code != http.StatusOK {
			t.Errorf("%q %q = %d", of, share, w.Code)
		}
		return w.Body.String()
	}
	if text := page("a\tb", "10%"); strings.Contains(text, "What if?") {
		t.Error("without rules the page asks what if")
	}
	b.load(supposed)
	for _, tt := range []struct {
		of, share string
		want      []string
	}{
		{"it's\ts2", "", []string{`name="share" value="20%"`, `data-from="0" data-to="20"`}},
		{"it's\ts2", "25%", []string{
			"Who would move: <strong>5%</strong>", `data-to="25"`, "tagproc rollout set rules.yaml --rule &#39;it&#39;\\&#39;&#39;s&#39; s2=25%",
			"- {range: 25, tagValue: s2}\n- {from: 30, range: 40, tagValue: s3}\n- {tagValue: s4, ramp: [{at: 2026-12-01T10:00:00Z, range: 60}, {at: 2026-12-02T10:00:00Z, range: 100}]}\n",
		}},
		{"it's\ts2", "1/10", []string{"Who would move: <strong>10%</strong>", "users would lose s2 (10%)", "s2=1/10 --allow-leaving"}},
		{"it's\ts4", "60%", []string{"- {range: 90, tagValue: s4}", `data-from="0" data-to="60"`}},
		{"parts\ta", "30%", []string{"Who would move: <strong>10%</strong>", "- {range: 30, tagValue: a}\n- {from: 30, range: 100, tagValue: &#34;no&#34;}\n"}},
		{"it's\ts2", "12.5%", []string{"That cannot be: s2=12.5% of 100 buckets is no whole number of them; the nearest shares are 12% and 13%"}},
		{"it's\ts2", "<b>", []string{"That cannot be: &#34;&lt;b&gt;&#34;: expected a percentage"}},
		{"gone\ts2", "10%", []string{"There is no rule gone any more"}},
		{"it's\ts9", "10%", []string{"That cannot be: rule it&#39;s has no tag s9"}},
		{"it's", "10%", []string{"names no rule and tag"}},
	} {
		text := page(tt.of, tt.share)
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				_, form, _ := strings.Cut(text, `id="suppose"`)
				form, _, _ = strings.Cut(form, "<script>")
				t.Errorf("%q %q does not say %q:\n%s", tt.of, tt.share, want, form)
				break
			}
		}
		if strings.Contains(text, "frida") {
			t.Errorf("%q %q names a user", tt.of, tt.share)
		}
	}
	if w := b.ask(http.MethodPost, "/whatif", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /whatif = %d", w.Code)
	}
	if _, s := b.state(); s.Digest != b.replica.Reloads.Live().Digest() || len(s.Reloads) != 1 {
		t.Error("a question changes rules")
	}
}

// TestPolicies checks that a rules file with the policies means what was supposed.
func TestPolicies(t *testing.T) {
	t.Parallel()
	const head = "rules: [{name: a, header: x-user-id, tagHeader: tag, "
	before := load(t, head+"partitions: [{partitionSize: 20, tagValue: \"no\"}, {partitionSize: 30, tagValue: '*x'}, {partitionSize: 50, tagValue: \"007\"}]}]").Table
	text := policiesText(before.Rules()[0].Policies)
	after := load(t, "rules:\n- name: a\n  header: x-user-id\n  tagHeader: tag\n  "+strings.ReplaceAll(text, "\n", "\n  "))
	if after.Table == nil {
		t.Fatalf("%v:\n%s", after.Problems.Err(), text)
	}
	if c := rules.Changes(before, after.Table, time.Time{}); len(c) > 0 {
		t.Errorf("the policies mean something else: %v\n%s", c, text)
	}
}

// TestShadows checks which rule a rule in shadow would replace, and who would move.
func TestShadows(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.load(`rules:
- {name: all, header: x-user-id, tagHeader: tag, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}
- {name: shop, match: {hosts: [shop]}, header: x-user-id, tagHeader: other, policies: [{range: 50, tagValue: s2}]}
- {name: more, mode: shadow, header: x-user-id, tagHeader: tag, policies: [{range: 30, tagValue: s2}, {range: 100, tagValue: s1}]}
- {name: alone, mode: shadow, header: x-user-id, tagHeader: other, policies: [{range: 40, tagValue: s3}]}
`)
	_, s := b.state()
	for name, want := range map[string]struct {
		replaces string
		moving   *state.Moving
	}{
		"all": {}, "shop": {}, "more": {"all", &state.Moving{Percent: 10}}, "alone": {"", &state.Moving{Percent: 40, AtMost: true}},
	} {
		for _, r := range s.Rules {
			if r.Name == name && (r.Replaces != want.replaces || (r.Moving == nil) != (want.moving == nil) || r.Moving != nil && *r.Moving != *want.moving) {
				t.Errorf("rule %s replaces %q and moves %+v, want %q and %+v", name, r.Replaces, r.Moving, want.replaces, want.moving)
			}
		}
	}
	before := b.replica.shadows.all
	if b.state(); b.replica.shadows.of == nil || len(before) != 2 {
		t.Errorf("%d rules in shadow are remembered, want 2", len(before))
	}
}

// TestSteps checks that of a long ramp the steps around the one in force are told.
func TestSteps(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	var steps []string
	for i := range 50 {
		steps = append(steps, "{at: "+noon.AddDate(0, 0, i-25).Format("2006-01-02T15:04:05Z")+", range: "+strconv.Itoa(i)+"}")
	}
	b.load("rules: [{header: x-user-id, tagHeader: tag, policies: [{tagValue: s2, ramp: [" + strings.Join(steps, ", ") + "]}]}]")
	_, s := b.state()
	ramp := s.Rules[0].Ramps[0]
	if len(ramp.Steps) != state.MaxSteps || ramp.StepsBefore != 15 || ramp.StepsAfter != 15 || !ramp.Steps[10].At.Equal(ramp.Since) || ramp.Steps[10].Percent != 25 {
		t.Errorf("the ramp is %+v", ramp)
	}
}
