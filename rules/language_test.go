package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// ask returns the decisions of table on a request with these headers, each as
// "reason tag", the tag as its value or "-".
func ask(table *Table, r *Request, headers ...pair) (said []string) {
	r.Reset()
	for _, h := range headers {
		if i := slices.Index(table.Inputs(), h.name); i >= 0 {
			r.SetHeader(i, []byte(h.value))
		}
	}
	for _, d := range table.Match(r) {
		value := "-"
		if d.Tag != NoTag {
			value = table.tags[d.Tag].Value
		}
		said = append(said, d.Reason.String()+" "+value)
	}
	return said
}

// TestLanguage holds the meaning of keys, matches and ranges, decision by decision.
func TestLanguage(t *testing.T) {
	const s2 = "tagHeader: tag, policies: [{range: 20, tagValue: s2}]" // jack: 2, jessie: 16, stacy: 25, vance: 54, jason: 76
	const keys = "keys: [{header: x-user-id}, {cookie: uid}, {query: uid}], "
	for _, tt := range []struct {
		name    string
		rule    string
		headers []pair
		want    string
	}{
		{"the first key", keys + s2, []pair{{"x-user-id", "jack"}, {"cookie", "uid=jason"}, {":path", "/?uid=jason"}}, "policy s2"},
		{"the second key", keys + s2, []pair{{"cookie", "uid=jack"}, {":path", "/?uid=jason"}}, "policy s2"},
		{"the third key", keys + s2, []pair{{"cookie", "id=jason"}, {":path", "/?uid=jack"}}, "policy s2"},
		{"an empty key is passed over", keys + s2, []pair{{"x-user-id", " \t"}, {"cookie", `uid=""`}, {":path", "/a?uid=jack"}}, "policy s2"},
		{"no key", keys + s2, []pair{{"cookie", "uid=; uid=jack"}, {":path", "/?uid&uid=jack"}}, "no_key -"},
		{"the first cookie of the name", keys + s2, []pair{{"cookie", "a=1; uid=jack"}, {"cookie", "uid=jason"}}, "policy s2"},
		{"a cookie in the second header", keys + s2, []pair{{"cookie", "a=1"}, {"cookie", "uid=jack"}}, "policy s2"},
		{"blanks around a header", keys + s2, []pair{{"x-user-id", "\t jack "}}, "policy s2"},
		{"blanks around a cookie", keys + s2, []pair{{"cookie", `uid = " jack "`}}, "policy s2"},
		{"blanks around a parameter", keys + s2, []pair{{":path", "/?uid=+jack%20"}}, "policy s2"},
		{"an encoded parameter", keys + s2, []pair{{":path", "/?u%69d=j%61ck"}}, "policy s2"},
		{"an encoded cookie is not decoded", keys + `overrides: [{values: ["j%61ck"], tagValue: s9}], ` + s2, []pair{{"cookie", "uid=j%61ck"}}, "override s9"},
		{"names have their case", keys + s2, []pair{{"cookie", "UID=jack"}, {":path", "/?Uid=jack"}}, "no_key -"},

		{"host", "match: {hosts: [a.b]}, header: x-user-id, " + s2, []pair{{":authority", "A.B:80"}, {"x-user-id", "jack"}}, "policy s2"},
		{"another host", "match: {hosts: [a.b]}, header: x-user-id, " + s2, []pair{{":authority", "b.b"}, {"x-user-id", "jack"}}, "no_match -"},
		{"no host", "match: {hosts: [a.b]}, header: x-user-id, " + s2, []pair{{"x-user-id", "jack"}}, "no_match -"},
		{"path and query", "match: {paths: [{prefix: /a}]}, keys: [{query: uid}], " + s2, []pair{{":path", "/a/b?uid=jack"}}, "policy s2"},
		{"another path", "match: {paths: [{prefix: /a}]}, keys: [{query: uid}], " + s2, []pair{{":path", "/ab?uid=jack"}}, "no_match -"},
		{"any path of several", "match: {paths: [{prefix: /a}, {exact: /}]}, header: x-user-id, " + s2, []pair{{":path", "/"}, {"x-user-id", "jack"}}, "policy s2"},
		{"all conditions", "match: {hosts: [a], paths: [{exact: /}], headers: [{name: b, exact: \"1\"}, {name: c, present: true}, {name: d, present: false}]}, header: x-user-id, " + s2, []pair{{":authority", "a"}, {":path", "/?x"}, {"b", " 1 "}, {"c", ""}, {"x-user-id", "jack"}}, "policy s2"},
		{"a header of another value", "match: {headers: [{name: b, exact: \"1\"}]}, header: x-user-id, " + s2, []pair{{"b", "2"}, {"b", "1"}, {"x-user-id", "jack"}}, "no_match -"},
		{"a header that must not be there", "match: {headers: [{name: b, present: false}]}, header: x-user-id, " + s2, []pair{{"b", ""}, {"x-user-id", "jack"}}, "no_match -"},
		{"a key that is matched too", "match: {headers: [{name: x-user-id, exact: jack}]}, header: x-user-id, " + s2, []pair{{"x-user-id", "jack"}}, "policy s2"},
		{"a whole cookie is matched too", "match: {headers: [{name: cookie, present: true}]}, keys: [{cookie: uid}], " + s2, []pair{{"cookie", "uid=jack"}}, "policy s2"},

		{"in the gap", "header: x-user-id, tagHeader: tag, policies: [{range: 10, tagValue: s2}, {from: 20, range: 30, tagValue: s3}]", []pair{{"x-user-id", "jessie"}}, "no_policy -"},
		{"behind the gap", "header: x-user-id, tagHeader: tag, policies: [{range: 10, tagValue: s2}, {from: 20, range: 30, tagValue: s3}]", []pair{{"x-user-id", "stacy"}}, "policy s3"},
		{"a later policy fills the gap", "header: x-user-id, tagHeader: tag, policies: [{from: 20, range: 30, tagValue: s3}, {range: 100, tagValue: s1}]", []pair{{"x-user-id", "jessie"}}, "policy s1"},
		{"an earlier policy wins", "header: x-user-id, tagHeader: tag, policies: [{from: 20, range: 30, tagValue: s3}, {range: 100, tagValue: s1}]", []pair{{"x-user-id", "stacy"}}, "policy s3"},
		{"the second partition", "header: x-user-id, tagHeader: tag, partitions: [{partitionSize: 10, tagValue: s2}, {partitionSize: 10, tagValue: s3}]", []pair{{"x-user-id", "jessie"}}, "policy s3"},
		{"behind all partitions", "header: x-user-id, tagHeader: tag, partitions: [{partitionSize: 10, tagValue: s2}, {partitionSize: 10, tagValue: s3}]", []pair{{"x-user-id", "stacy"}}, "no_policy -"},
		{"an override of the key that is taken", keys + "overrides: [{key: {header: x-user-id}, values: [jason], tagValue: s9}], " + s2, []pair{{"x-user-id", "jason"}}, "override s9"},
		{"an override of another key", keys + "overrides: [{key: {header: x-user-id}, values: [jason], tagValue: s9}], " + s2, []pair{{"cookie", "uid=jason"}}, "no_policy -"},
		{"an override of any key", keys + "overrides: [{values: [jason], tagValue: s9}], " + s2, []pair{{"cookie", "uid=jason"}}, "override s9"},
		{"an override of a cookie", "keys: [{cookie: uid}], overrides: [{values: [jason], tagValue: s9}], " + s2, []pair{{"cookie", "uid=jason"}}, "override s9"},
	} {
		table := mustLoad(t, "rules:\n- {"+tt.rule+"}")
		if got := ask(table, table.NewRequest(), tt.headers...)[0]; got != tt.want {
			t.Errorf("%s: %q of %q, want %q", tt.name, got, tt.headers, tt.want)
		}
	}
}

// TestNoMatchOwnsNothing checks that a rule that is not for a request leaves the tag
// header to the next one.
func TestNoMatchOwnsNothing(t *testing.T) {
	table := mustLoad(t, `
rules:
- {name: a, match: {paths: [{prefix: /a}]}, header: x-user-id, tagHeader: tag, policies: [{range: 100, tagValue: s2}]}
- {name: b, header: x-user-id, tagHeader: tag, policies: [{range: 100, tagValue: s1}]}
`)
	r := table.NewRequest()
	for path, want := range map[string][]string{"/a": {"policy s2", "superseded -"}, "/b": {"no_match -", "policy s1"}} {
		if got := ask(table, r, pair{":path", path}, pair{"x-user-id", "jack"}); !slices.Equal(got, want) {
			t.Errorf("at %s: %q, want %q", path, got, want)
		}
	}
}

// TestVisitors holds who is given an id, and that it is one for all rules.
func TestVisitors(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	table := mustLoad(t, `
rules:
- {name: a, keys: [{header: x-user-id}, {visitor: {cookie: v}}], tagHeader: tag-a, policies: [{range: 50, tagValue: on}, {range: 100, tagValue: off}]}
- {name: b, keys: [{visitor: {cookie: w}}], tagHeader: tag-b, policies: [{range: 50, tagValue: on}, {range: 100, tagValue: off}]}
- {name: c, keys: [{visitor: {cookie: v}}], tagHeader: tag-a, policies: [{range: 50, tagValue: on}, {range: 100, tagValue: off}]}
- {name: d, match: {paths: [{exact: /d}]}, keys: [{visitor: {cookie: v}}], tagHeader: tag-d, policies: [{range: 50, tagValue: on}]}
`)
	for _, tt := range []struct {
		headers []pair
		minted  []bool
		given   bool
	}{
		{nil, []bool{true, true, false, false}, true},
		{[]pair{{"x-user-id", "jack"}}, []bool{false, true, false, false}, true},
		{[]pair{{"cookie", "v=" + id}}, []bool{false, true, false, false}, true},
		{[]pair{{"cookie", "v=" + id + "; w=" + id}, {":path", "/d"}}, []bool{false, false, false, false}, false},
		{[]pair{{"cookie", "v=" + id[1:] + "; w=" + strings.ToUpper(id)}, {":path", "/d"}}, []bool{true, true, false, true}, true},
	} {
		r := table.NewRequest()
		ask(table, r, tt.headers...)
		for i, d := range r.decisions {
			if d.Minted || d.Reason > ReasonNoKey && d.Key == 1 && tt.minted[i] {
				t.Errorf("%q: rule %d without Mints: %+v", tt.headers, i, d)
			}
		}
		r.Mints = true
		ask(table, r, tt.headers...)
		for i, d := range r.decisions {
			if d.Minted != tt.minted[i] {
				t.Errorf("%q: rule %d: Minted = %v, want %v", tt.headers, i, d.Minted, tt.minted[i])
			}
		}
		if a, b := r.decisions[0], r.decisions[1]; a.Minted && b.Minted && a.Hash != b.Hash {
			t.Errorf("%q: two rules were given ids of the hashes %d and %d, want one", tt.headers, a.Hash, b.Hash)
		}
		if given := string(r.Given()); (given != "") != tt.given || given != "" && !isVisitorID([]byte(given)) {
			t.Errorf("%q: given %q, want one: %v", tt.headers, given, tt.given)
		}
	}
}

// TestAt holds which table decides at which instant, to the nanosecond, and that
// offsets name the same instants.
func TestAt(t *testing.T) {
	table := mustLoad(t, `
rules:
- name: a
  header: x-user-id
  tagHeader: tag
  policies:
  - tagValue: s2
    ramp: [{at: 2026-10-25T02:30:00+02:00, range: 10}, {at: 2026-10-25T02:30:00+01:00, range: 20}, {at: 2026-12-02T08:00:00.000000001Z, range: 100}]
  - {range: 100, tagValue: s1}
- name: b
  header: x-user-id
  tagHeader: tag-b
  policies:
  - {from: 50, tagValue: s3, allowDecrease: true, ramp: [{at: 2026-10-25T03:30:00+02:00, range: 60}, {at: 2026-12-01T08:00:00Z, range: 0}]}
`)
	at := func(s string) (t time.Time) {
		if s != "" {
			t, _ = time.Parse(time.RFC3339Nano, s)
		}
		return t
	}
	const first, second, third, last = "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-12-01T08:00:00Z", "2026-12-02T08:00:00.000000001Z"
	for _, tt := range []struct{ now, since, next, a, b string }{
		{"2020-01-01T00:00:00Z", "", first, "0 0 100", "50 0"},
		{"2026-10-25T00:29:59.999999999Z", "", first, "0 0 100", "50 0"},
		{first, first, second, "0 10 100", "50 0"},
		{"2026-10-25T01:29:59.999999999Z", first, second, "0 10 100", "50 0"},
		{second, second, third, "0 20 100", "50 60"},
		{third, third, last, "0 20 100", "50 0"},
		{"2026-12-02T08:00:00Z", third, last, "0 20 100", "50 0"},
		{last, last, "", "0 100 100", "50 0"},
		{"2036-01-01T00:00:00Z", last, "", "0 100 100", "50 0"},
	} {
		stage, next := table.At(at(tt.now))
		rs := stage.Rules()
		a := fmt.Sprint(rs[0].Policies[0].From, rs[0].Policies[0].Range, rs[0].Policies[1].Range)
		b := fmt.Sprint(rs[1].Policies[0].From, rs[1].Policies[0].Range)
		if !stage.Since().Equal(at(tt.since)) || !next.Equal(at(tt.next)) || a != tt.a || b != tt.b {
			t.Errorf("at %s: since %v until %v with the ranges %s and %s, want %+v", tt.now, stage.Since(), next, a, b, tt)
		}
		if stage.Digest() != table.Digest() || !stage.HasRamps() {
			t.Errorf("at %s: the digest is %s, want that of the file, %s", tt.now, stage.Digest(), table.Digest())
		}
		if other, _ := stage.At(at(first)); !other.Since().Equal(at(first)) {
			t.Errorf("At of the table at %s does not go back", tt.now)
		}
		r := table.NewRequest() // fits every stage
		want := []string{"policy s1", "no_policy -"}
		if tt.since == last {
			want[0] = "policy s2"
		}
		if tt.since == second {
			want[1] = "policy s3"
		}
		if got := ask(stage, r, pair{"x-user-id", "vance"}); !slices.Equal(got, want) { // bucket 54
			t.Errorf("at %s: vance gets %q, want %q", tt.now, got, want)
		}
	}
	if plain := mustLoad(t, oneRule); plain.HasRamps() || !plain.Since().IsZero() {
		t.Error("rules without ramps have a schedule")
	} else if same, next := plain.At(time.Now()); same != plain || !next.IsZero() {
		t.Errorf("At of rules without ramps = %p until %v, want themselves, %p", same, next, plain)
	}
}

// TestManyRamps checks that a file of 32 ramps of 30 steps is small and quick to
// compile, and that stages share what does not change.
func TestManyRamps(t *testing.T) {
	var b strings.Builder
	b.WriteString("rules:\n")
	start := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for i := range 32 {
		fmt.Fprintf(&b, "- {name: r%d, header: x-user-id, tagHeader: tag-%d, policies: [{tagValue: on, ramp: [", i, i)
		for j := range 30 {
			fmt.Fprintf(&b, "{at: %s, range: %d},", start.Add(time.Duration(j*32+i)*time.Minute).Format(time.RFC3339), j)
		}
		b.WriteString("]}]}\n")
	}
	table := mustLoad(t, b.String())
	if n := len(table.Stages()); n != 32*30+1 {
		t.Fatalf("%d stages, want one for each instant and the beginning", n)
	}
	programs := map[*program]bool{}
	for _, stage := range table.Stages() {
		for rule := range stage.rules {
			programs[stage.program(rule)] = true
		}
	}
	if len(programs) != 32*30 { // range 0, the first step of each ramp, changes nothing
		t.Errorf("%d programs, want one for each step that changes something", len(programs))
	}
}

// TestDigestOfLanguage checks what changes the digest, and what says the same.
func TestDigestOfLanguage(t *testing.T) {
	load := func(rule string) *Table {
		return mustLoad(t, "tagHeaders: {headers: [tag]}\nrules:\n- {"+rule+"}")
	}
	const plain = "name: a, tagHeader: tag, header: x-user-id, policies: [{range: 20, tagValue: s2}, {range: 40, tagValue: s3}]"
	for _, same := range []string{
		"name: a, tagHeader: tag, keys: [{header: X-User-Id}], policies: [{range: 20, tagValue: s2}, {from: 20, range: 40, tagValue: s3}]",
		"name: a, tagHeader: tag, header: x-user-id, partitions: [{partitionSize: 20, tagValue: s2}, {partitionSize: 20, tagValue: s3}]",
		"name: a, tagHeader: tag, header: x-user-id, description: who and why, policies: [{from: 20, range: 40, tagValue: s3}, {range: 30, tagValue: s2}]",
	} {
		if cs := Changes(load(plain), load(same), time.Time{}); cs != nil || load(plain).Digest() != load(same).Digest() {
			t.Errorf("%s means something else: %v", same, cs)
		}
	}
	const policies = "policies: [{range: 20, tagValue: s2}, {range: 40, tagValue: s3}]"
	const ramp = "name: a, tagHeader: tag, header: x-user-id, policies: [{tagValue: s2, ramp: [{at: 2026-12-01T09:00:00+01:00, range: 20}, {at: 2026-12-02T09:00:00+01:00, range: 30}]}, {range: 40, tagValue: s3}]"
	for _, tt := range []struct{ before, after, want string }{
		{plain, "name: a, tagHeader: tag, keys: [{header: x-user-id}, {cookie: uid}], " + policies, "rule a: key header x-user-id → header x-user-id, cookie uid (users change buckets)"},
		{plain, "name: a, tagHeader: tag, match: {hosts: [a.b], paths: [{prefix: /c}], headers: [{name: d, present: true}]}, header: x-user-id, " + policies, "rule a: match none → host a.b, path /c…, header d present"},
		{plain, "name: a, tagHeader: tag, header: x-user-id, policies: [{range: 20, tagValue: s2}, {from: 30, range: 40, tagValue: s3}]", "rule a: s3 takes buckets 20 to 39 → 30 to 39"},
		{plain, "name: a, tagHeader: tag, header: x-user-id, overrides: [{key: {header: x-user-id}, values: [jason], tagValue: s2}], " + policies, "rule a: users named for s2: 1 added, 0 removed"},
		{plain, ramp, "rule a: s3 takes buckets 20 to 39 → 0 to 39, then 20 to 39 from 2026-12-01T08:00:00Z, then 30 to 39 from 2026-12-02T08:00:00Z" +
			"|rule a: s2 takes buckets 0 to 19 → none, then 0 to 19 from 2026-12-01T08:00:00Z, then 0 to 29 from 2026-12-02T08:00:00Z"},
		{ramp, strings.Replace(ramp, "2026-12-02T09:00:00+01:00", "2026-12-02T08:00:00Z", 1), ""},
		{ramp, strings.Replace(ramp, "range: 30", "range: 20", 1), "rule a: s3 takes buckets 0 to 39, then 20 to 39 from 2026-12-01T08:00:00Z, then 30 to 39 from 2026-12-02T08:00:00Z → 0 to 39, then 20 to 39 from 2026-12-01T08:00:00Z" +
			"|rule a: s2 takes buckets none, then 0 to 19 from 2026-12-01T08:00:00Z, then 0 to 29 from 2026-12-02T08:00:00Z → none, then 0 to 19 from 2026-12-01T08:00:00Z"},
		{
			"name: a, tagHeader: tag, keys: [{visitor: {}}], " + policies, "name: a, tagHeader: tag, keys: [{visitor: {maxAge: 1h}}], " + policies,
			"visitor's cookie tagproc-visitor=…; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax → tagproc-visitor=…; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax",
		},
	} {
		got := strings.Join(texts(Changes(load(tt.before), load(tt.after), time.Time{})), "|")
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("Changes to %s (-want +got):\n%s", tt.after, diff)
		}
		if same := load(tt.before).Digest() == load(tt.after).Digest(); same != (tt.want == "") {
			t.Errorf("equal digests of %s: %v", tt.after, same)
		}
	}
}

// TestMatchOfModel compares decisions on drawn requests with a reading of the
// language that is written with nothing but package strings and loops.
func TestMatchOfModel(t *testing.T) {
	users := []string{"", "jack", "jessie", "stacy", "vance"}
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, what) }
		var src strings.Builder
		src.WriteString("rules:\n")
		var model []modelRule
		for i := range rapid.IntRange(1, 3).Draw(rt, "rules") {
			m := modelRule{tagHeader: draw("tagHeader", "tag-a", "tag-b"), host: draw("host", "", "a.b", "*.b"), path: draw("path", "", "/a", "/"), beta: draw("beta", "", "1")}
			sources := rapid.Permutation([]string{"header", "cookie", "query"}).Draw(rt, "keys")
			m.keys = sources[:rapid.IntRange(1, 3).Draw(rt, "how many keys")]
			var keys, policies []string
			for _, k := range m.keys {
				keys = append(keys, fmt.Sprintf("{%s: uid}", k))
			}
			for range rapid.IntRange(1, 3).Draw(rt, "policies") {
				from := rapid.IntRange(0, 60).Draw(rt, "from")
				p := [2]int{from, rapid.IntRange(from, 100).Draw(rt, "range")}
				policies = append(policies, fmt.Sprintf("{from: %d, range: %d, tagValue: v%d}", p[0], p[1], len(m.policies)))
				m.policies = append(m.policies, p)
			}
			var match []string
			if m.host != "" {
				match = append(match, fmt.Sprintf("hosts: [%q]", m.host))
			}
			if m.path != "" {
				match = append(match, fmt.Sprintf("paths: [{prefix: %s}]", m.path))
			}
			if m.beta != "" {
				match = append(match, `headers: [{name: x-beta, exact: "1"}]`)
			}
			fmt.Fprintf(&src, "- {name: r%d, tagHeader: %s, keys: [%s], policies: [%s]", i, m.tagHeader, strings.Join(keys, ", "), strings.Join(policies, ", "))
			if match != nil {
				fmt.Fprintf(&src, ", match: {%s}", strings.Join(match, ", "))
			}
			src.WriteString("}\n")
			model = append(model, m)
		}
		table, problems := Load("r.yaml", []byte(src.String()), Options{})
		if table == nil {
			rt.Fatalf("%v\n%s", problems.Err(), src.String())
		}
		r := table.NewRequest()
		for range 3 { // a Request is used again
			q := modelRequest{host: draw("authority", "a.b", "A.B:80", "c.b", "b"), path: draw("path", "/a", "/a/c", "/ab", "/"), beta: draw("x-beta", "", "1", "2")}
			q.uid = map[string]string{"header": draw("header", users...), "cookie": draw("cookie", users...), "query": draw("query", users...)}
			headers := []pair{{":authority", q.host}, {":path", q.path + "?x=1&uid=" + q.uid["query"]}, {"uid", q.uid["header"]}, {"cookie", "x=1; uid=" + q.uid["cookie"]}}
			if q.beta != "" {
				headers = append(headers, pair{"x-beta", q.beta})
			}
			if diff := cmp.Diff(decideNaively(model, q), ask(table, r, headers...)); diff != "" {
				rt.Fatalf("Match (-want +got):\n%s\nof %q by\n%s", diff, headers, src.String())
			}
		}
	})
}

type modelRule struct {
	tagHeader, host, path, beta string
	keys                        []string
	policies                    [][2]int
}

type modelRequest struct {
	host, path, beta string
	uid              map[string]string
}

func decideNaively(rules []modelRule, q modelRequest) (said []string) {
	owned := map[string]bool{}
	for _, r := range rules {
		host, _, _ := strings.Cut(strings.ToLower(q.host), ":")
		user := ""
		for _, k := range r.keys {
			if user == "" {
				user = q.uid[k]
			}
		}
		switch {
		case owned[r.tagHeader]:
			said = append(said, "superseded -")
			continue
		case r.host != "" && host != r.host && !(r.host[0] == '*' && strings.HasSuffix(host, r.host[1:])),
			r.path != "" && !strings.HasPrefix(q.path+"/", strings.TrimSuffix(r.path, "/")+"/"),
			r.beta != "" && r.beta != q.beta:
			said = append(said, "no_match -")
			continue
		case user == "":
			said = append(said, "no_key -")
			continue
		}
		owned[r.tagHeader] = true
		bucket := map[string]int{"jack": 2, "jessie": 16, "stacy": 25, "vance": 54}[user]
		said = append(said, "no_policy -")
		for i, p := range slices.Backward(r.policies) {
			if p[0] <= bucket && bucket < p[1] {
				said[len(said)-1] = fmt.Sprintf("policy v%d", i)
			}
		}
	}
	return said
}
