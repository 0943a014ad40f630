package fleet

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/state"
)

// sample is what three replicas may answer.
func sample() []Replica {
	thirty := 50.0
	rule := state.Rule{
		Name: "checkout", Mode: "enforce", TagHeader: "x-asm-prefer-tag", Keys: []string{"header x-user-id"}, Hash: "fnv1a32", Modulo: 100,
		Tags:  []state.Tag{{Tag: "s2", Percent: 25}, {Tag: "s1", Percent: 75}, {}},
		Ruler: []state.Piece{{From: 0, To: 25, Tag: "s2"}, {From: 25, To: 100, Tag: "s1"}},
		Ramps: []state.Ramp{{Tag: "s2", Percent: 25, Since: noon, Next: noon.Add(time.Hour), NextPercent: &thirty}},
		Observed: []state.Observed{
			{Seconds: 63, Requests: []uint32{0, 0, 0}},
			{Seconds: 304, Requests: []uint32{11_836, 36_276, 0}, Low: []float64{23.4, 74.1, 0}, High: []float64{25.9, 76.6, 0.1}},
			{Seconds: 3723, Requests: []uint32{11_836, 36_276, 0}, Low: []float64{23.4, 74.1, 0}, High: []float64{25.9, 76.6, 0.1}},
		},
	}
	skewed := rule
	skewed.Observed = []state.Observed{{Seconds: 61, Requests: []uint32{1, 1, 0}, Low: []float64{1, 1, 0}, High: []float64{99, 99, 90}}, {Seconds: 300, Requests: []uint32{4000, 6000, 0}, Low: []float64{38, 58, 0}, High: []float64{42, 62, 1}}}
	trial := state.Rule{
		Name: "trial\x1b[2K", Mode: "shadow", TagHeader: "tag", Keys: []string{"header x-user-id"}, Hash: "xxh3", Modulo: 1000,
		Tags: []state.Tag{{Tag: "v2", Percent: 0.5}, {Percent: 99.5}}, Ruler: []state.Piece{{From: 0, To: 5, Tag: "v2"}, {From: 5, To: 1000}},
	}
	of := func(digest string, perSecond float64, rules ...state.Rule) *state.State {
		return &state.State{
			StateVersion: 1, Version: "v1.2.3", Now: noon, Started: noon.Add(-time.Hour), Digest: digest, LiveSince: noon.Add(-30 * time.Minute), File: "rules.yaml",
			Step: &state.Step{Since: noon, Next: noon.Add(time.Hour), Last: noon.Add(time.Hour)}, Rules: rules,
			Requests: []state.Requests{{Seconds: 63, PerSecond: perSecond}},
		}
	}
	const digest = "58b34286a4ea4d5b"
	refusing := of(digest, 0, skewed)
	refusing.Refusal = &state.Refusal{At: noon, Present: true, Problems: []state.Problem{{File: "rules.yaml", Line: 3, Col: 5, Kind: "missing", Message: "this rule has no tagHeader"}}}
	refusing.NotReady = "draining"
	fine := of(digest, 157.33, rule, trial)
	fine.Refusal = &state.Refusal{At: noon.Add(-time.Hour), Problems: refusing.Refusal.Problems}
	return []Replica{
		{Address: "10.0.0.1:9090", State: fine, OffsetError: time.Millisecond},
		{Address: "10.0.0.2:9090", State: refusing, Offset: -1500 * time.Millisecond, OffsetError: time.Millisecond},
		{Address: "10.0.0.3:9090", State: of("9b09645ac8530873", 3, rule), Offset: 2 * time.Millisecond, OffsetError: time.Millisecond},
		{Address: "10.0.0.4:9090", Unreachable: "dial tcp 10.0.0.4:9090: connect: connection refused"},
	}
}

// TestText compares what people see with golden files.
func TestText(t *testing.T) {
	t.Parallel()
	for name, replicas := range map[string][]Replica{"agree": sample()[:1], "differ": sample(), "down": sample()[3:]} {
		var out bytes.Buffer
		if err := Judge(replicas, nil, noon).WriteText(terminal.New(&out)); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, "testdata/"+name+".txt", out.String())
	}
}

// TestJSON checks that a report is read back as it was.
func TestJSON(t *testing.T) {
	t.Parallel()
	text, err := json.MarshalIndent(Judge(sample(), nil, noon), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/differ.json", string(text)+"\n")
}
