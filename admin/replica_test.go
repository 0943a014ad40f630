package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/state"
	"github.com/tagproc/tagproc/traffic"
)

// A bed is a replica with all that stands behind it.
type bed struct {
	testing.TB
	processor *processor.Processor
	replica   *Replica
	handler   http.Handler
}

// noon is the time of beds.
var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

func newBed(t testing.TB) *bed {
	t.Helper()
	now := func() time.Time { return noon }
	p := processor.New(processor.Options{Now: now})
	t.Cleanup(func() { p.SetTable(nil) })
	b := &bed{TB: t, processor: p, replica: &Replica{
		Version: "v1", Instance: "one", File: "rules.yaml", Started: noon.Add(-time.Hour), Ready: func() error { return nil }, Now: now,
		Reloads: NewReloads(prometheus.NewRegistry()), Traffic: traffic.New(p.Counts),
	}}
	b.handler = Handler(prometheus.NewRegistry(), b.replica.Ready, Options{Replica: b.replica})
	return b
}

// load makes rules live, or has them refused.
func (b *bed) load(src string) {
	b.Helper()
	l := load(b.TB, src)
	if l.Table != nil {
		b.processor.SetTable(l.Table)
	}
	b.replica.Reloads.Record(l)
}

// send has a user send a request.
func (b *bed) send(user string) {
	b.Helper()
	msg, err := proto.Marshal(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{
		Headers: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: "x-user-id", RawValue: []byte(user)}}},
	}}})
	if err != nil {
		b.Fatal(err)
	}
	b.processor.NewStream().Reply(nil, msg)
}

// ask sends a request to the admin port.
func (b *bed) ask(method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body)))
	return w
}

// state returns the body of GET /state, and what it says.
func (b *bed) state() (body string, s state.State) {
	b.Helper()
	w := b.ask(http.MethodGet, "/state", "")
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil || w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		b.Fatalf("GET /state = %d %v, %v: %s", w.Code, w.Header(), err, w.Body)
	}
	return w.Body.String(), s
}

const ramped = `
rules:
- name: lane
  match: {hosts: [shop.example.com]}
  keys: [{header: x-user-id}, {cookie: uid}]
  tagHeader: tag
  overrides: [{values: [frida, bob], tagValue: s9, key: {header: x-user-id}}]
  policies:
  - {range: 20, tagValue: s2}
  - {tagValue: s3, ramp: [{at: 2026-12-01T10:00:00Z, range: 30}, {at: 2026-12-02T10:00:00Z, range: 100}]}
- {name: trial, header: x-user-id, tagHeader: tag, mode: shadow, hash: xxh3, salt: x, modulo: 1000, policies: [{from: 5, range: 10, tagValue: s2}]}
- {name: gone, header: x-user-id, tagHeader: tag, mode: off, policies: [{range: 100, tagValue: s2}]}
`

// TestState checks what a replica says of its rules.
func TestState(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	if _, s := b.state(); s.Digest != "" || s.StateVersion != 1 || !s.Now.Equal(noon) || len(s.Requests) != 3 || s.Step != nil {
		t.Errorf("before any rules the state is %+v", s)
	}
	b.load(ramped)
	_, s := b.state()
	thirty, first, second := 100.0, noon.Add(-2*time.Hour), noon.Add(22*time.Hour)
	want := []state.Rule{
		{
			Name: "lane", Mode: "enforce", TagHeader: "tag", Match: "host shop.example.com", Keys: []string{"header x-user-id", "cookie uid"},
			Hash: "fnv1a32", Modulo: 100, Named: 2,
			Tags:  []state.Tag{{Tag: "s2", Percent: 20}, {Tag: "s3", Percent: 10}, {Percent: 70}},
			Ruler: []state.Piece{{From: 0, To: 20, Tag: "s2"}, {From: 20, To: 30, Tag: "s3"}, {From: 30, To: 100}},
			Ramps: []state.Ramp{{Tag: "s3", Percent: 30, Since: first, Next: second, NextPercent: &thirty, Steps: []state.RampStep{{At: first, Percent: 30}, {At: second, Percent: 100}}}},
		},
		{
			Name: "trial", Mode: "shadow", TagHeader: "tag", Keys: []string{"header x-user-id"}, Hash: "xxh3", Salt: "x", Modulo: 1000,
			Tags:   []state.Tag{{Tag: "s2", Percent: 0.5}, {Percent: 99.5}},
			Ruler:  []state.Piece{{From: 0, To: 5}, {From: 5, To: 10, Tag: "s2"}, {From: 10, To: 1000}},
			Moving: &state.Moving{Percent: 0.5, AtMost: true},
		},
		{
			Name: "gone", Mode: "off", TagHeader: "tag", Keys: []string{"header x-user-id"}, Hash: "fnv1a32", Modulo: 100,
			Tags: []state.Tag{{Tag: "s2", Percent: 100}, {}}, Ruler: []state.Piece{{From: 0, To: 100, Tag: "s2"}},
		},
	}
	for i := range s.Rules {
		if observed := s.Rules[i].Observed; (len(observed) == 3) != (s.Rules[i].Mode != "off") {
			t.Errorf("rule %s is observed in %d windows", s.Rules[i].Name, len(observed))
		}
		s.Rules[i].Observed = nil
	}
	if diff := cmp.Diff(want, s.Rules); diff != "" {
		t.Errorf("the rules differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&state.Step{Since: first, Next: second, Last: second}, s.Step); diff != "" {
		t.Errorf("the step differs (-want +got):\n%s", diff)
	}
	b.replica.Ready = func() error { return errors.New("draining") }
	if _, s := b.state(); s.NotReady != "draining" {
		t.Errorf("a replica that drains says it is not ready: %q", s.NotReady)
	}
}

// TestExpectedShare checks the metric: by the step of ramps of now, and not for rules
// that are off.
func TestExpectedShare(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.load(ramped)
	want := `
# HELP tagproc_expected_share Part of the buckets of a rule that has this tag, from 0 to 1, by the step of ramps that is in force; an empty tag is no tag. Rules that are off have none.
# TYPE tagproc_expected_share gauge
tagproc_expected_share{rule="lane",tag=""} 0.7
tagproc_expected_share{rule="lane",tag="s2"} 0.2
tagproc_expected_share{rule="lane",tag="s3"} 0.1
tagproc_expected_share{rule="lane",tag="s9"} 0
tagproc_expected_share{rule="trial",tag=""} 0.995
tagproc_expected_share{rule="trial",tag="s2"} 0.005
`
	if err := testutil.CollectAndCompare(b.replica, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// TestStateOfReloads checks the history: what each load changed, what was refused and why,
// at most 20 of them, and no user in it.
func TestStateOfReloads(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	rule := func(percent int, values string) string {
		return fmt.Sprintf("rules:\n- name: lane\n  header: x-user-id\n  tagHeader: tag\n  overrides:\n  - values:\n    - %s\n    tagValue: s9\n  policies: [{range: %d, tagValue: s2}]\n", values, percent)
	}
	b.load(rule(20, "frida"))
	b.load(rule(20, "frida\n    - frida"))
	body, s := b.state()
	if s.Refusal == nil || !s.Refusal.Present || len(s.Refusal.Problems) != 1 || s.Reloads[0].Digest != "" || s.Reloads[0].Problems != 1 {
		t.Fatalf("after a refused file the state has %+v and %+v", s.Refusal, s.Reloads[0])
	}
	if p := s.Refusal.Problems[0]; p.String() != `rules.yaml:8:7: duplicate value "…" (first at line 7); remove one` || p.Source != "    - ·····" {
		t.Errorf("the problem is %q in %q", p.String(), p.Source)
	}
	b.load(rule(30, "bob"))
	more, s := b.state()
	if s.Refusal == nil || s.Refusal.Present {
		t.Errorf("after a good file the refusal is %+v", s.Refusal)
	}
	want := []string{"rule lane: users named for s9: 1 added, 1 removed", "rule lane: s2 takes buckets 0 to 19 → 0 to 29"}
	if diff := cmp.Diff(&state.Moving{Percent: 10, Named: 2}, s.Reloads[0].Moving); diff != "" || s.Reloads[2].Moving != nil {
		t.Errorf("who moves differs (-want +got):\n%s", diff)
	}
	if got := s.Reloads[0]; !cmp.Equal(got.Changes, want) || got.Before == got.Digest || got.Before != s.Reloads[2].Digest {
		t.Errorf("the last reload is %+v, want the changes %q", got, want)
	}
	if got := s.Reloads[2]; !cmp.Equal(got.Changes, []string{"first load, 1 rule"}) || got.Before != "" {
		t.Errorf("the first load is %+v", got)
	}
	for i := range 40 {
		b.load(rule(40+i, "bob"))
	}
	last, s := b.state()
	if len(s.Reloads) != state.MaxReloads || s.Reloads[0].Changes[0] != "rule lane: s2 takes buckets 0 to 77 → 0 to 78" {
		t.Errorf("there are %d reloads, the newest %+v", len(s.Reloads), s.Reloads[0])
	}
	if text := body + more + last; strings.Contains(text, "frida") || strings.Contains(text, "bob") {
		t.Errorf("the state has the id of a user:\n%s", text)
	}
}

// TestStateIsSmall checks that the body, and that of the page, are bounded: for 200 rules in use
// 150 KiB, whatever the history, and for more rules than it lists.
func TestStateIsSmall(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	rules := func(n, percent int) string {
		var s strings.Builder
		s.WriteString("rules:\n")
		for i := range n {
			fmt.Fprintf(&s, "- {name: experiment-%d, header: x-user-id, tagHeader: x-experiment-%d, policies: [{range: %d, tagValue: s2}, {range: 90, tagValue: s1}]}\n", i, i%30, percent)
		}
		return s.String()
	}
	for i := range 25 {
		b.load(rules(200, i))
	}
	for i := range 3000 {
		b.send(fmt.Sprint("frida-", i))
	}
	body, s := b.state()
	if len(s.Rules) != 200 || s.Rules[0].Observed[2].Total() != 3000 {
		t.Fatalf("there are %d rules, the first with %d requests", len(s.Rules), s.Rules[0].Observed[2].Total())
	}
	t.Logf("the state of 200 rules has %d bytes", len(body))
	if len(body) > 150<<10 {
		t.Errorf("the state of 200 rules has %d bytes, want at most %d", len(body), 150<<10)
	}
	if strings.Contains(body, "frida") {
		t.Error("the state has ids of users")
	}
	page := b.ask(http.MethodGet, "/explain", "").Body.String()
	t.Logf("the page of 200 rules has %d bytes", len(page))
	if len(page) > 150<<10 || !strings.Contains(page, "experiment-199") || !strings.Contains(page, "What if?") {
		t.Errorf("the page of 200 rules has %d bytes, want at most %d with all of them", len(page), 150<<10)
	}
	b.load(rules(3000, 20))
	if body, s = b.state(); len(s.Rules) != state.MaxRules || s.RulesLeftOut != 2500 || len(body) > 400<<10 {
		t.Errorf("of 3000 rules %d are listed and %d left out, in %d bytes", len(s.Rules), s.RulesLeftOut, len(body))
	}
}

// TestStateIsTaken checks that status takes the state of the largest files: many tags, long
// names, and long lines in a file that is refused.
func TestStateIsTaken(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	taken := func(what string, rules int) {
		t.Helper()
		body, _ := b.state()
		s, err := state.Decode([]byte(body))
		if err != nil || len(s.Rules) != rules {
			t.Errorf("%s: of the state of %d bytes it is said %v, want %d rules:\n%.2000s", what, len(body), err, rules, body)
		} else {
			t.Logf("%s: %d bytes", what, len(body))
		}
	}
	var long, many strings.Builder
	long.WriteString("rules:\n")
	for i := range 200 {
		fmt.Fprintf(&long, "- {name: %s-%d, header: x-user-id, tagHeader: tag, match: {paths: [{exact: /%s}], headers: [{name: x-beta, exact: '%s'}]}, policies: [{range: 20, tagValue: '%[3]s'}, {range: 30, tagValue: '%[4]s'}]}\n",
			strings.Repeat("n", 250), i, strings.Repeat("&", 250), strings.Repeat("<", 250))
	}
	b.load(long.String())
	taken("200 rules with long names", 200)
	many.WriteString("rules:\n- {name: a, header: x-user-id, tagHeader: tag, policies: [{range: 1, tagValue: a}]}\n- {name: b, header: x-user-id, tagHeader: tag2, modulo: 1000000, policies: [")
	for i := range 5000 {
		fmt.Fprintf(&many, "{range: %d, tagValue: t%d}, ", i+1, i)
	}
	many.WriteString("{range: 100000, tagValue: z}]}\n")
	b.load(many.String())
	taken("a rule with 5001 tags", 1)
	b.load("rules: [{name: a, header: x-user-id, tagHeader: tag, policies: [], overrides: [{values: [" + strings.Repeat("frida, ", 5000) + "], tagValue: s2}]}]\n")
	taken("a refused line of 35 KB", 1)
}
