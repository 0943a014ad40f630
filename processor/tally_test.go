package processor

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tagproc/tagproc/rules"
)

// TestTally checks that each bucket is counted in its group and for its tag, for any
// modulo and any policies.
func TestTally(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		modulo := rapid.OneOf(rapid.IntRange(1, 300), rapid.IntRange(1, rules.MaxModulo)).Draw(t, "modulo")
		r := rules.Rule{Modulo: uint32(modulo), Keys: make([]rules.Key, rapid.IntRange(1, 3).Draw(t, "keys"))}
		for range rapid.IntRange(0, 4).Draw(t, "policies") {
			r.Policies = append(r.Policies, rules.Policy{TagValue: rapid.SampledFrom([]string{"s1", "s2", "s3"}).Draw(t, "tag")})
		}
		tally := newTally(r, maxCells)
		for range 20 {
			bucket := rapid.IntRange(0, modulo-1).Draw(t, "bucket")
			policy := rapid.IntRange(-1, len(r.Policies)-1).Draw(t, "policy")
			tag := ""
			if policy >= 0 {
				tag = r.Policies[policy].TagValue
			}
			before := tally.Sample(nil)
			key := rapid.IntRange(0, len(r.Keys)-1).Draw(t, "key")
			sum := tally.of(key, tag).sum()
			tally.add(&rules.Decision{Bucket: uint32(bucket), Policy: int32(policy), Key: int8(key)})
			if got := tally.of(key, tag).sum(); got != sum+1 {
				t.Fatalf("key %d and tag %q are counted %d times, want %d", key, tag, got, sum+1)
			}
			for i, n := range tally.Sample(nil) {
				counted := tally.Tags[i/tally.Groups] == tag && i%tally.Groups == bucket*tally.Groups/modulo
				if (n-before[i] == 1) != counted {
					t.Fatalf("bucket %d of %d, tag %q: cell %d of tags %q and %d groups has risen by %d", bucket, modulo, tag, i, tally.Tags, tally.Groups, n-before[i])
				}
			}
		}
	})
}

// TestTallyOfRequests checks that what is decided by buckets is tallied, and nothing else.
func TestTallyOfRequests(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, walkthroughWithNames))
	for _, user := range []string{"jessie", "jack", "stacy", "jason", "bob", ""} {
		p.NewStream().Reply(nil, marshal(t, headersRequest(rawHeaders("x-user-id", user))))
	}
	tally := p.Counts().Tallies[0]
	sums := map[string]uint32{}
	for i, n := range tally.Sample(nil) {
		sums[tally.Tags[i/tally.Groups]] += n
	}
	if got, want := fmt.Sprint(sums), "map[:0 s1:1 s2:2]"; got != want {
		t.Errorf("the tally is %s, want %s", got, want)
	}
}

const walkthroughWithNames = `
rules:
- name: lane
  header: x-user-id
  tagHeader: x-asm-prefer-tag
  overrides: [{values: [jason], tagValue: s9}, {values: [bob], none: true}]
  policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]
`

// TestTalliesStay checks that a rule keeps its tally as long as it stays as it is, and that
// tallies have bounded memory.
func TestTalliesStay(t *testing.T) {
	t.Parallel()
	const lane = "- {name: lane, header: x-user-id, tagHeader: a, policies: [{range: 20, tagValue: s2}]}\n"
	p := New(Options{})
	tally := func(src string) *Tally {
		p.SetTable(load(t, "rules:\n"+src))
		for i, r := range p.Counts().Table.Rules() {
			if r.Name == "lane" {
				return p.Counts().Tallies[i]
			}
		}
		return nil
	}
	other := "- {name: other, header: x-id, tagHeader: b, policies: [{range: 20, tagValue: s2}]}\n"
	for name, tt := range map[string]struct {
		src  string
		stay bool
	}{
		"the same":          {lane, true},
		"a rule before":     {other + lane, true},
		"a description":     {strings.Replace(lane, "{name", "{description: x, name", 1), true},
		"another range":     {strings.Replace(lane, "20", "30", 1), false},
		"another hash":      {strings.Replace(lane, "tagHeader", "hash: xxh3, tagHeader", 1), false},
		"another mode":      {strings.Replace(lane, "tagHeader", "mode: shadow, tagHeader", 1), false},
		"a rule that comes": {strings.Replace(lane, "lane", "lanes", 1), false},
	} {
		first := tally(lane)
		if got := tally(tt.src); (got == first) != tt.stay {
			t.Errorf("%s: the tally stays: %v, want %v", name, got == first, tt.stay)
		}
	}
	p.SetTable(load(t, manyRules(2000)))
	cells, counted := 0, 0
	for _, tally := range p.Counts().Tallies {
		if tally != nil {
			cells, counted = cells+len(tally.cells), counted+1
		}
	}
	const most = 65_536 // 512 KiB
	if cells > most || counted < 300 {
		t.Errorf("%d of 2000 rules are tallied in %d cells, want at least 300 in at most %d", counted, cells, most)
	}
}

// TestCounts checks what is a request.
func TestCounts(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.NewStream().Reply(nil, marshal(t, headersRequest(rawHeaders("x-user-id", "jessie"))))
	p.SetTable(load(t, walkthroughWithNames))
	p.NewStream().Reply(nil, marshal(t, headersRequest(rawHeaders("x-user-id", "jessie"))))
	p.NewStream().Reply(nil, marshal(t, responseHeadersRequest()))
	p.NewStream().Reply(nil, []byte{0x12, 0x80})
	c := p.Counts()
	if got := c.Requests(); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}
	for outcome, want := range map[string]uint64{"tagged": 1, "no_rules": 1, "other_phase": 1, "malformed": 1, "unchanged": 0} {
		if c.Outcomes[outcome] != want {
			t.Errorf("the outcome %s is counted %d times, want %d", outcome, c.Outcomes[outcome], want)
		}
	}
}
