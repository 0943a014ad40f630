package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"golang.org/x/net/html"

	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/state"
)

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// sample is the state of a replica in the middle of a ramp.
func sample() *state.State {
	fifty := 50.0
	return &state.State{
		StateVersion: 1, Version: "v1.2.3", Now: noon, Started: noon.Add(-26 * time.Hour), Instance: "one", File: "/etc/tagproc/rules.yaml",
		Digest: "58b34286a4ea4d5b", LiveSince: noon.Add(-3 * time.Hour),
		Step: &state.Step{Since: noon.Add(-2 * time.Hour), Next: noon.Add(22 * time.Hour), Last: noon.Add(22 * time.Hour)},
		Rules: []state.Rule{
			{
				Name: "checkout", Mode: "enforce", TagHeader: "x-asm-prefer-tag", Match: "host shop.example.com", Keys: []string{"header x-user-id", "cookie uid"},
				Hash: "fnv1a32", Modulo: 100, Named: 2,
				Tags:  []state.Tag{{Tag: "s2", Percent: 25}, {Tag: "s1", Percent: 75}, {}},
				Ruler: []state.Piece{{From: 0, To: 25, Tag: "s2"}, {From: 25, To: 100, Tag: "s1"}},
				Ramps: []state.Ramp{{
					Tag: "s2", Percent: 25, Since: noon.Add(-2 * time.Hour), Next: noon.Add(22 * time.Hour), NextPercent: &fifty,
					Steps: []state.RampStep{{At: noon.Add(-2 * time.Hour), Percent: 25}, {At: noon.Add(22 * time.Hour), Percent: 50}, {At: noon.Add(46 * time.Hour), Percent: 100}}, StepsBefore: 1, StepsAfter: 2,
				}},
				Observed: []state.Observed{
					{Seconds: 63, Requests: []uint32{0, 0, 0}},
					{Seconds: 304, Requests: []uint32{11_836, 36_276, 0}, Low: []float64{23.4, 74.1, 0}, High: []float64{25.9, 76.6, 0.1}},
					{Seconds: 3723, Requests: []uint32{400, 600, 0}, Low: []float64{38, 58, 0}, High: []float64{42, 62, 1}},
				},
			},
			{
				Name: "trial", Mode: "shadow", TagHeader: "x-asm-prefer-tag", Keys: []string{"header x-user-id"}, Hash: "xxh3", Salt: "x", Modulo: 1000,
				Tags: []state.Tag{{Tag: "s2", Percent: 0.5}, {Percent: 99.5}}, Ruler: []state.Piece{{From: 0, To: 5, Tag: "s2"}, {From: 5, To: 1000}},
				Replaces: "checkout", Moving: &state.Moving{Percent: 74.5},
			},
		},
		Requests: []state.Requests{
			{Seconds: 63, PerSecond: 157.33, Decisions: 157.33, Outcomes: map[string]uint32{"tagged": 9912}, Latency: &state.Latency{P50: 2.5e-6, P99: 10e-6}},
			{Seconds: 304, PerSecond: 158.26, Decisions: 158.2, Outcomes: map[string]uint32{"tagged": 48_000, "unchanged": 112}, Latency: &state.Latency{P50: 2.5e-6}},
			{Seconds: 3723, PerSecond: 0, Outcomes: map[string]uint32{}},
		},
		Reloads: []state.Reload{
			{At: noon.Add(-3 * time.Hour), Digest: "58b34286a4ea4d5b", Before: "9b09645ac8530873", Changes: []string{"rule checkout: s2 takes buckets 0 to 9 → 0 to 24"}, ChangesLeftOut: 2, Moving: &state.Moving{Percent: 15, Named: 1}},
			{At: noon.Add(-4 * time.Hour), Before: "9b09645ac8530873", Problems: 1},
			{At: noon.Add(-26 * time.Hour), Digest: "9b09645ac8530873", Changes: []string{"first load, 2 rules"}},
		},
	}
}

// views are what the page has to show.
func views(t *testing.T) map[string]View {
	t.Helper()
	refused := sample()
	refused.Refusal = &state.Refusal{At: noon, Present: true, ProblemsLeftOut: 1, Problems: []state.Problem{
		{File: "/etc/tagproc/rules.yaml", Line: 3, Col: 12, Kind: "range", Message: "range 120 is not from 0 to 100, the modulo of the rule", Source: "  - {range: 120, tagValue: s2}"},
		{File: "/etc/tagproc/rules.yaml", Kind: "unreadable", Message: "does not exist"},
	}}
	none := &state.State{Now: noon, Started: noon, File: "rules.yaml", Rules: []state.Rule{}, Requests: sample().Requests, Refusal: refused.Refusal, NotReady: "there are no good rules yet"}
	stopping := sample()
	stopping.NotReady, stopping.Step = "draining", nil
	idle := sample()
	idle.Requests[1] = state.Requests{Seconds: 304, Outcomes: map[string]uint32{}}
	due := sample()
	due.Now = due.Step.Next
	due.Rules[0].Ramps[0].Percent, due.Rules[0].Ramps[0].Since = 50, due.Now
	due.Step.Since, due.Step.Next, due.Rules[0].Ramps[0].Next, due.Rules[0].Ramps[0].NextPercent = due.Now, time.Time{}, time.Time{}, nil
	long := sample()
	long.Rules[0].Name, long.Rules[0].Tags[0].Tag, long.Rules[0].Ruler[0].Tag = strings.Repeat("long", 60), strings.Repeat("long", 60), strings.Repeat("long", 60)
	table, problems := rules.Load("rules.yaml", []byte("rules: [{header: x-user-id, tagHeader: tag, policies: [{range: 20, tagValue: s2}]}]"), rules.Options{})
	if table == nil {
		t.Fatal(problems.Err())
	}
	over := sample()
	over.Refusal = &state.Refusal{At: noon, Problems: refused.Refusal.Problems}
	uneven := sample()
	uneven.Rules[0].Observed[1] = state.Observed{Seconds: 304, Requests: []uint32{400, 600, 0}, Low: []float64{38, 58, 0}, High: []float64{42, 62, 1}}
	moved := sample().Rules[0]
	moved.Ruler = []state.Piece{{From: 0, To: 20, Tag: "s2"}, {From: 20, To: 100, Tag: "s1"}}
	young := sample()
	for i := range young.Requests {
		young.Requests[i].Seconds, young.Rules[0].Observed[i] = 74, state.Observed{Seconds: 74, Requests: []uint32{13, 46, 0}, Low: []float64{10.2, 61.6, 0}, High: []float64{38.4, 89.8, 6.3}}
	}
	young.Reloads = []state.Reload{{At: noon, Digest: young.Digest, Changes: []string{"first load, 2 rules"}}}
	disagreeing := &state.Replicas{Summary: "1 of 3 has 58b34286a4ea4d5b", Digest: "58b34286a4ea4d5b", Replicas: []state.Peer{
		{Address: "10.0.0.3:9090", Page: "http://10.0.0.3:9090/", Differs: []string{"unreachable: no answer in time"}},
		{Address: "10.0.0.1:9090", Page: "http://10.0.0.1:9090/", Answers: true, Instance: "one", Digest: "58b34286a4ea4d5b", LiveSince: noon, Clock: "right"},
		{
			Address: "10.0.0.2:9090", Page: "http://10.0.0.2:9090/", Answers: true, Instance: "two", Digest: "9b09645ac8530873", LiveSince: noon.Add(-time.Hour), Clock: "3s behind",
			Differs: []string{"has other rules"}, Rules: []string{"rule checkout: s2 10% instead of 25%", "rule trial is missing"},
		},
	}}
	rule := &sample().Rules[0]
	choices := []Choice{{Value: "checkout\ts2", Text: "s2 of checkout", Chosen: true}, {Value: "checkout\ts1", Text: "s1 of checkout"}}
	return map[string]View{
		"refusal-over": {State: over}, "uneven": {State: uneven}, "idle": {State: idle},
		"what-if": {State: sample(), WhatIf: &WhatIf{
			Rule: "checkout", Tag: "s2", Share: "20%", Choices: choices, Before: rule, After: &moved, To: 20, Moving: &state.Moving{Percent: 5, Named: 1},
			Leaving: "users would lose s2 (5%); add --allow-leaving if that is meant", Command: "tagproc rollout set rules.yaml --rule checkout s2=20%", YAML: "policies:\n- {range: 20, tagValue: s2}\n",
		}},
		"what-if-not": {State: sample(), WhatIf: &WhatIf{Rule: "checkout", Tag: "s2", Share: "20.5%", Choices: choices, Before: rule, To: 25, Wrong: "That cannot be: s2=20.5% of 100 buckets is no whole number of them"}},
		"agree": {State: sample(), Replicas: &state.Replicas{Agree: true, Summary: "1 of 1 has 58b34286a4ea4d5b", Digest: "58b34286a4ea4d5b", Replicas: []state.Peer{
			{Address: "10.0.0.1:9090", Page: "http://10.0.0.1:9090/", Answers: true, Instance: "one", Digest: "58b34286a4ea4d5b", LiveSince: noon, Clock: "right"},
		}}},
		"apart": {State: sample(), Replicas: &state.Replicas{Agree: true, Summary: "1 of 1 has 081b1b3d6ef9d0a0", Digest: "081b1b3d6ef9d0a0", Replicas: []state.Peer{
			{Address: "10.0.0.9:9090", Answers: true, Instance: "nine", Digest: "081b1b3d6ef9d0a0", LiveSince: noon, Clock: "right"},
		}}},
		"disagree": {State: sample(), Replicas: disagreeing},
		"well":     {State: sample()}, "young": {State: young}, "refused": {State: refused}, "no-rules": {State: none}, "stopping": {State: stopping}, "last-step": {State: due}, "long-names": {State: long},
		"explained": {
			State: sample(), Request: "x-user-id: jack", At: "2026-12-01T10:00:00Z", Decision: explain.Request(table, []explain.Header{{Name: "x-user-id", Value: "jack"}}),
			Asked: []state.Rule{{Name: "tag", Modulo: 100, Ruler: []state.Piece{{From: 0, To: 20, Tag: "s2"}, {From: 20, To: 100}}}},
		},
		"not-understood": {State: sample(), Request: "jack\njill", Wrong: "Not understood: line \"jack\" is no header; expected NAME: VALUE"},
	}
}

func write(t *testing.T, v View) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, v); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// elements returns the elements of a page in their order.
func elements(t *testing.T, text string) (all []*html.Node) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// TestPage compares the part of the page that people read with golden files: that where all is
// well, and what differs from it in each other state. It checks that the page is whole, leads
// nowhere but to other replicas, and is said aloud in order.
func TestPage(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{}
	for name, v := range views(t) {
		text := write(t, v)
		_, body, _ := strings.Cut(text, "<body>")
		body, _, _ = strings.Cut(body, "<script>")
		bodies[name] = body
		ids, labels := map[string]bool{}, map[string]bool{}
		level := 0
		for _, n := range elements(t, text) {
			if id := attribute(n, "id"); id != "" && ids[id] {
				t.Errorf("%s: the id %s is there twice", name, id)
			} else {
				ids[id] = true
			}
			for _, a := range n.Attr {
				leads := strings.Contains(a.Val, "//") && !(v.Replicas != nil && slices.ContainsFunc(v.Replicas.Replicas, func(p state.Peer) bool { return p.Page == a.Val }))
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || leads {
					t.Errorf("%s: <%s> has %s=%q", name, n.Data, a.Key, a.Val)
				}
			}
			switch n.Data {
			case "label":
				labels[attribute(n, "for")] = true
			case "textarea", "input", "select":
				if !labels[attribute(n, "id")] {
					t.Errorf("%s: <%s> has no label", name, n.Data)
				}
			case "svg":
				if (attribute(n, "role") != "img" || attribute(n, "aria-label") == "") && attribute(n, "aria-hidden") != "true" {
					t.Errorf("%s: a picture says nothing aloud", name)
				}
			case "h1", "h2", "h3":
				if now := int(n.Data[1] - '0'); now > level+1 {
					t.Errorf("%s: <%s> follows a heading of level %d", name, n.Data, level)
				} else {
					level = now
				}
			}
		}
	}
	golden.Check(t, "testdata/well.html", bodies["well"])
	var others strings.Builder
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		if name != "well" {
			fmt.Fprintf(&others, "\n== %s\n%s", name, changed(bodies["well"], bodies[name]))
		}
	}
	golden.Check(t, "testdata/others.txt", others.String())
}

// changed returns the lines that differ between two pages.
func changed(from, to string) string {
	var lines strings.Builder
	for line := range strings.Lines(string(diff.Diff("from", []byte(from), "to", []byte(to)))) {
		if strings.HasPrefix(line, "-") && !strings.HasPrefix(line, "--- from") || strings.HasPrefix(line, "+") && !strings.HasPrefix(line, "+++ to") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

// TestPolicy checks that the style and the script of the page are those that its policy
// allows, and that nothing else is.
func TestPolicy(t *testing.T) {
	t.Parallel()
	scripts := 0
	for _, n := range elements(t, write(t, View{State: sample()})) {
		if n.Data != "style" && n.Data != "script" {
			continue
		}
		scripts++
		sum := sha256.Sum256([]byte(n.FirstChild.Data))
		if want := n.Data + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(Policy, want) {
			t.Errorf("the policy has no %s: %s", want, Policy)
		}
	}
	if scripts != 2 || !strings.HasPrefix(Policy, "default-src 'none'; ") || strings.Contains(Policy, "unsafe") {
		t.Errorf("of %d parts the policy is %s", scripts, Policy)
	}
}

// TestNothingIsMarkup checks that what comes from a file or from whoever asks is text.
func TestNothingIsMarkup(t *testing.T) {
	t.Parallel()
	const evil = `</pre></textarea></style><script>alert(1)</script><b onclick="x">"'&`
	s := sample()
	r := &s.Rules[0]
	s.File, s.Version, s.NotReady, r.Name, r.Match, r.TagHeader, r.Salt, r.Keys = evil, evil, evil, evil, evil, evil, evil, []string{evil}
	r.Tags[0].Tag, r.Ruler[0].Tag, r.Ramps[0].Tag, r.Mode = evil, evil, evil, evil
	s.Reloads[0].Changes[0] = evil
	s.Refusal = &state.Refusal{Present: true, Problems: []state.Problem{{File: evil, Line: 1, Col: 1, Message: evil, Source: evil}}}
	s.Requests[0].Outcomes[evil] = 1
	for range mostDrawn + 1 {
		s.Rules = append(s.Rules, *r)
	}
	text := write(t, View{State: s, Request: evil, At: evil, Wrong: evil, WhatIf: &WhatIf{
		Rule: evil, Tag: evil, Share: evil, Choices: []Choice{{Value: evil, Text: evil}}, Wrong: evil, Before: r, After: r, Leaving: evil, Command: evil, YAML: evil,
	}})
	for _, n := range elements(t, text) {
		if n.Data == "b" || n.Data == "script" && !strings.Contains(n.FirstChild.Data, "renew") {
			t.Errorf("the page has <%s>", n.Data)
		}
	}
	if n := strings.Count(text, "alert(1)"); n < 20 {
		t.Errorf("the page shows %d of the texts", n)
	}
}

// TestPageIsSmall checks that the page of 200 rules in use, and of 100 replicas that disagree, has
// at most 150 KiB.
func TestPageIsSmall(t *testing.T) {
	t.Parallel()
	s := sample()
	rule := s.Rules[0]
	s.Rules = nil
	for i := range 200 {
		rule.Name = fmt.Sprintf("experiment-%d", i)
		s.Rules = append(s.Rules, rule)
	}
	for range 17 {
		s.Reloads = append(s.Reloads, s.Reloads[0])
	}
	v := View{State: s, Replicas: &state.Replicas{}, WhatIf: &WhatIf{Rule: "experiment-0", Tag: "s2", Before: &s.Rules[0], After: &s.Rules[0]}}
	for i := range 100 {
		v.Replicas.Replicas = append(v.Replicas.Replicas, state.Peer{
			Address: fmt.Sprintf("10.0.0.%d:9090", i), Page: fmt.Sprintf("http://10.0.0.%d:9090/", i), Answers: true, Digest: "9b09645ac8530873", LiveSince: noon, Clock: "right",
			Differs: []string{"has other rules"}, Rules: slices.Repeat([]string{"rule experiment-100: s2 10% instead of 25%; s1 90% instead of 75%"}, 6),
		})
		v.WhatIf.Choices = append(v.WhatIf.Choices, Choice{Value: fmt.Sprintf("experiment-%d\ts2", i), Text: fmt.Sprintf("s2 of experiment-%d", i)})
	}
	text := write(t, v)
	t.Logf("the page of 200 rules has %d bytes", len(text))
	if len(text) > 150<<10 || !strings.Contains(text, "experiment-199") || !strings.Contains(text, "… and 70 more") {
		t.Errorf("the page of 200 rules and 100 replicas has %d bytes, want at most %d with all of the rules", len(text), 150<<10)
	}
	s.Rules[0].Ruler = nil
	for i := range 1000 {
		s.Rules[0].Ruler = append(s.Rules[0].Ruler, state.Piece{From: i, To: i + 1, Tag: fmt.Sprint(i % 2)})
	}
	s.Rules[0].Modulo = 1000
	if got := strings.Count(write(t, View{State: s}), "<rect"); got != 41+(mostDrawn-1)*2+mostDrawn*2+colours+1 {
		t.Errorf("the page has %d pieces, want 41 of the long ruler, 2 of each other, a chip for each tag and the patterns", got)
	}
}

// TestColours checks that a tag has one colour in all rules, which is not that of no tag,
// and that the first tags have different ones.
func TestColours(t *testing.T) {
	t.Parallel()
	s := sample()
	s.Rules[1].Tags = nil
	for i := range colours {
		s.Rules[1].Tags = append(s.Rules[1].Tags, state.Tag{Tag: fmt.Sprint("s", i)})
	}
	d := &drawing{View: View{State: s}, colours: coloursOf(s)}
	used, hatches := map[int]bool{}, map[string]bool{}
	for i := range colours {
		used[d.Chip(fmt.Sprint("s", i)).Colour] = true
		hatches[hatch(i)] = true
	}
	if c := d.Chip("").Colour; c != 0 || used[0] || len(used) != colours || len(hatches) != colours {
		t.Errorf("no tag has the colour %d, and tags have %v with %d hatches", c, used, len(hatches))
	}
}

// TestSpan checks times in words.
func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration][2]string{
		0: {"0 seconds ago", "0 seconds"}, -time.Second: {"0 seconds ago", "0 seconds"}, time.Second: {"1 second ago", "1 second"},
		59 * time.Second: {"59 seconds ago", "59 seconds"}, 90 * time.Second: {"1 minute ago", "1 minute 30 seconds"},
		2 * time.Hour: {"2 hours ago", "2 hours"}, 25 * time.Hour: {"1 day ago", "1 day 1 hour"}, 72 * time.Hour: {"3 days ago", "3 days"},
	} {
		if got := [2]string{ago(noon, noon.Add(-d)), until(noon, noon.Add(d))}; got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// TestRate checks numbers per second in words.
func TestRate(t *testing.T) {
	t.Parallel()
	for perSecond, want := range map[float64]string{0: "0", 0.25: "0.25", 3: "3", 157.33: "157", 99.996: "100", 23109.579999999998: "23,110"} {
		if got := rate(perSecond); got != want {
			t.Errorf("%v is said as %q, want %q", perSecond, got, want)
		}
	}
}
