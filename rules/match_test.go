package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const oneRule = `
rules:
- header: x-user-id
  tagHeader: x-asm-prefer-tag
  policies:
  - {range: 20, tagValue: s2}
  - {range: 100, tagValue: s1}
`

// TestMatch holds the meaning of the language, decision by decision. A decision
// is written as "reason tag", the tag as its value or "-".
func TestMatch(t *testing.T) {
	rule := func(fields string) string {
		return "- {header: x-user-id, tagHeader: tag, " + fields + "}\n"
	}
	s2 := "policies: [{range: 20, tagValue: s2}]"
	tests := []struct {
		name  string
		rules string
		user  string // bucket of jack: 2, stacy: 25, jason: 76
		want  []string
	}{
		{"below the range", rule(s2), "jack", []string{"policy s2"}},
		{"above the range", rule(s2), "stacy", []string{"no_policy -"}},
		{"at the range", rule("policies: [{range: 25, tagValue: s2}]"), "stacy", []string{"no_policy -"}},
		{"one below the range", rule("policies: [{range: 26, tagValue: s2}]"), "stacy", []string{"policy s2"}},
		{"range 0 matches nobody", rule("policies: [{range: 0, tagValue: s2}, {range: 100, tagValue: s1}]"), "jack", []string{"policy s1"}},
		{"the first of equal ranges", rule("policies: [{range: 100, tagValue: s2}, {range: 100, tagValue: s1}]"), "jack", []string{"policy s2"}},
		{"a narrower range later", rule("policies: [{range: 50, tagValue: s2}, {range: 20, tagValue: s3}]"), "jack", []string{"policy s2"}},
		{"modulo 1", rule("modulo: 1, policies: [{range: 1, tagValue: s2}]"), "jason", []string{"policy s2"}},
		{"no key", rule(s2), "", []string{"no_key -"}},
		{"override", rule("overrides: [{values: [jason], tagValue: s2}], " + s2), "jason", []string{"override s2"}},
		{"override of another", rule("overrides: [{values: [bob], tagValue: s2}], " + s2), "jason", []string{"no_policy -"}},
		{"override to no tag", rule("overrides: [{values: [jack], none: true}], " + s2), "jack", []string{"override -"}},
		{"override is exact", rule("overrides: [{values: [JACK], none: true}], " + s2), "jack", []string{"policy s2"}},
		{"blanks around the key", rule(s2), " \tjack \t", []string{"policy s2"}},
		{"blanks in the key", rule("overrides: [{values: [ja ck], none: true}], " + s2), "ja ck ", []string{"override -"}},
		{"other blanks are a part of the key", rule("overrides: [{values: [\"jack\u00a0\"], none: true}], " + s2), "jack\u00a0", []string{"override -"}},
		{"blanks around an override", rule("overrides: [{values: [' bob '], tagValue: s9}], " + s2), "bob", []string{"override s9"}},
		{"blanks around both", rule("overrides: [{values: [bob], tagValue: s9}], " + s2), "bob ", []string{"override s9"}},
		{"blanks alone", rule(s2), " \t ", []string{"no_key -"}},
		{"off", rule("mode: off, " + s2), "jack", []string{"off -"}},
		{"shadow", rule("mode: shadow, " + s2), "jack", []string{"policy s2"}},
		{"first rule owns", rule("name: a, "+s2) + rule("name: b, policies: [{range: 100, tagValue: s3}]"), "jack", []string{"policy s2", "superseded -"}},
		{"no tag is an outcome", rule("name: a, "+s2) + rule("name: b, policies: [{range: 100, tagValue: s3}]"), "stacy", []string{"no_policy -", "superseded -"}},
		{"an override to no tag is an outcome", rule("name: a, overrides: [{values: [jack], none: true}], "+s2) + rule("name: b, "+s2), "jack", []string{"override -", "superseded -"}},
		{"a rule without key owns nothing", "- {name: a, header: x-session, tagHeader: tag, " + s2 + "}\n" + rule("name: b, "+s2), "jack", []string{"no_key -", "policy s2"}},
		{"an off rule owns nothing", rule("name: a, mode: off, "+s2) + rule("name: b, "+s2), "jack", []string{"off -", "policy s2"}},
		{"a shadow rule owns nothing", rule("name: a, mode: shadow, "+s2) + rule("name: b, "+s2), "jack", []string{"policy s2", "policy s2"}},
		{"a shadow rule is as if alone", rule("name: a, "+s2) + rule("name: b, mode: shadow, policies: [{range: 5, tagValue: s3}]"), "jack", []string{"policy s2", "policy s3"}},
		{"another tag header", rule("name: a, "+s2) + "- {header: x-user-id, tagHeader: tag-b, " + s2 + "}\n", "jack", []string{"policy s2", "policy s2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := mustLoad(t, "rules:\n"+tt.rules)
			r := table.NewRequest()
			if tt.user != "" {
				for i, k := range table.Keys() {
					if k.Name == "x-user-id" {
						r.SetKey(i, []byte(tt.user))
					}
				}
			}
			var got []string
			for _, d := range table.Match(r) {
				value := "-"
				if d.Tag != NoTag {
					value = table.Tags()[d.Tag].Value
				}
				got = append(got, d.Reason.String()+" "+value)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Match (-want +got):\n%s\nof:\n%s", diff, tt.rules)
			}
		})
	}
}

func TestWrites(t *testing.T) {
	table := mustLoad(t, strings.Replace(oneRule, "tagHeader:", "mode: shadow\n  tagHeader:", 1))
	if d := decide(table, map[string]string{"x-user-id": "jack"})["x-asm-prefer-tag"]; d.Writes() || d.Tag == NoTag {
		t.Errorf("a shadow decision %+v: Writes() = %v, want a tag that is not written", d, d.Writes())
	}
	table = mustLoad(t, oneRule)
	if d := decide(table, map[string]string{"x-user-id": "jack"})["x-asm-prefer-tag"]; !d.Writes() {
		t.Errorf("an enforced decision %+v: Writes() = false, want true", d)
	}
}

// TestFirstKey checks that the first value of a key counts, an empty one too: a
// client that adds a second header must not choose its bucket.
func TestFirstKey(t *testing.T) {
	table := mustLoad(t, oneRule)
	r := table.NewRequest()
	r.SetKey(0, []byte("jack"))
	r.SetKey(0, []byte("vance"))
	if d := table.Match(r)[0]; d.Bucket != 2 {
		t.Errorf("bucket of [jack vance] = %d, want jack's, 2", d.Bucket)
	}
	for _, empty := range [][]byte{nil, {}} {
		r.Reset()
		r.SetKey(0, empty)
		r.SetKey(0, []byte("vance"))
		if d := table.Match(r)[0]; d.Reason != ReasonNoKey {
			t.Errorf("reason of [%#v vance] = %v, want %v", empty, d.Reason, ReasonNoKey)
		}
	}
}

// TestSaltsAreIndependent checks that users of one cohort are not gathered in
// another that has its own salt: of the 20% in the first, 20% are in the second.
func TestSaltsAreIndependent(t *testing.T) {
	rule := "- {header: x-user-id, tagHeader: tag-%[1]s, hash: xxh3, salt: %[1]s, policies: [{range: 20, tagValue: v2}]}\n"
	table := mustLoad(t, "rules:\n"+fmt.Sprintf(rule, "a")+fmt.Sprintf(rule, "b"))
	both, first := 0, 0
	r := table.NewRequest()
	for i := range 100_000 {
		r.Reset()
		r.SetKey(0, fmt.Appendf(nil, "user-%d", i))
		ds := table.Match(r)
		if ds[0].Writes() {
			first++
			if ds[1].Writes() {
				both++
			}
		}
	}
	if first < 19_500 || first > 20_500 || both < 3_700 || both > 4_300 {
		t.Errorf("%d of 100,000 users in the first cohort and %d in both, want about 20,000 and 4,000", first, both)
	}
}

// TestBinarySearch compares the table with a naive scan of the policies on every
// bucket, and Span with the neighbours of each bucket.
func TestBinarySearch(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		modulo := rapid.IntRange(1, 2000).Draw(rt, "modulo")
		ranges := rapid.SliceOfN(rapid.IntRange(0, modulo), 1, 40).Draw(rt, "ranges")
		var src strings.Builder
		fmt.Fprintf(&src, "rules:\n- header: x-user-id\n  tagHeader: tag\n  modulo: %d\n  policies:\n", modulo)
		for i, r := range ranges {
			fmt.Fprintf(&src, "  - {range: %d, tagValue: v%d}\n", r, i)
		}
		table, problems := Load("r.yaml", []byte(src.String()), Options{})
		if table == nil {
			rt.Fatal(problems.Err())
		}
		checkSteps(rt, table, ranges, modulo)
	})
}

// TestMillionBuckets does the same for the largest modulo and 1,000 policies.
func TestMillionBuckets(t *testing.T) {
	var src strings.Builder
	var ranges []int
	src.WriteString("rules:\n- header: x-user-id\n  tagHeader: tag\n  modulo: 1000000\n  policies:\n")
	for i := range 1000 {
		ranges = append(ranges, 1000*(i+1)-i%7)
		fmt.Fprintf(&src, "  - {range: %d, tagValue: v%d}\n", ranges[i], i)
	}
	checkSteps(t, mustLoad(t, src.String()), ranges, MaxModulo)
}

func checkSteps(t interface{ Fatalf(string, ...any) }, table *Table, ranges []int, modulo int) {
	p := table.program(0)
	previous, from := -2, 0
	for bucket := range modulo {
		want := -1
		for i, r := range ranges {
			if bucket < r {
				want = i
				break
			}
		}
		got := -1
		if i := p.find(uint32(bucket)); i < len(p.steps) {
			got = int(p.steps[i].policy)
		}
		if got != want {
			t.Fatalf("policy of bucket %d = %d, want %d (ranges %v)", bucket, got, want, ranges)
		}
		if want != previous {
			previous, from = want, bucket
		}
		if lo, hi := table.Span(0, uint32(bucket)); int(lo) != from || int(hi) <= bucket || int(hi) > modulo {
			t.Fatalf("Span(%d) = [%d, %d), want [%d, more than %d) (ranges %v)", bucket, lo, hi, from, bucket, ranges)
		}
	}
}

// TestHashOnce checks that a key is hashed once for each hash and salt, however
// many rules use it, and only once in a request.
func TestHashOnce(t *testing.T) {
	rule := func(name, fields string) string {
		return fmt.Sprintf("- {name: %s, header: x-user-id, tagHeader: tag-%[1]s, %s policies: [{range: 20, tagValue: v2}]}\n", name, fields)
	}
	for _, tt := range []struct {
		rules string
		want  int
	}{
		{rule("a", "") + rule("b", "modulo: 1000,") + rule("c", "mode: shadow,"), 1},
		{rule("a", "") + rule("b", "hash: xxh3,") + rule("c", "hash: xxh3,"), 2},
		{rule("a", "hash: xxh3,") + rule("b", "hash: xxh3, salt: s,") + rule("c", "hash: xxh3, salt: s,") + rule("d", "hash: xxh3, salt: t,"), 3},
		{rule("a", "") + "- {header: x-device-id, tagHeader: tag, policies: [{range: 20, tagValue: v2}]}\n", 2},
	} {
		if table := mustLoad(t, "rules:\n"+tt.rules); table.sums != tt.want {
			t.Errorf("%d hashes for a request, want %d, with\n%s", table.sums, tt.want, tt.rules)
		}
	}

	table := mustLoad(t, "rules:\n"+rule("a", "")+rule("b", ""))
	r := table.NewRequest()
	r.SetKey(0, []byte("jack"))
	r.sums[0] = sum{value: 99, known: true} // as if it were computed already
	for i, d := range table.Match(r) {
		if d.Hash != 99 {
			t.Errorf("rule %d hashes the key again: %d, want 99", i, d.Hash)
		}
	}
}

// TestEveryTagHeader checks that with as many tag headers as a file may have each
// is owned by a rule of its own.
func TestEveryTagHeader(t *testing.T) {
	var src strings.Builder
	src.WriteString("rules:\n")
	for i := range MaxTagHeaders {
		fmt.Fprintf(&src, "- {header: x-user-id, tagHeader: tag-%d, policies: [{range: 100, tagValue: v2}]}\n", i)
	}
	for name, d := range decide(mustLoad(t, src.String()), map[string]string{"x-user-id": "jack"}) {
		if !d.Writes() {
			t.Errorf("%s: %+v, want a tag", name, d)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	key := []byte("2c9f6f3e-1f0a-4f6e-9d5e-8a1f3f1f7a77")
	for _, h := range []Hash{FNV1a32, XXH3} {
		b.Run(h.String(), func(b *testing.B) {
			for b.Loop() {
				h.sum(key, 1)
			}
		})
	}
}
