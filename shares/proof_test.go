package shares

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/people"
	"github.com/tagproc/tagproc/rules"
)

var full = flag.Bool("full", false, "prove with 300 pairs of files and 1,000,000 ids each, which takes a quarter of an hour")

// TestProof compares random pairs of rules files, and counts what requests get: each
// pair of deciders that a request meets is a Comparison and the other way round, people
// are counted as [rules.Table.Match] decides for them, and shares agree with the counts
// as far as chance lets them.
func TestProof(t *testing.T) {
	t.Parallel()
	pairs, n := 40, int64(10_000)
	if *full {
		pairs, n = 300, 1_000_000
	}
	named := []string{"jack", "jason", "vance"} // those whom overrides name come first
	ids := uuids(t, n)
	for i, user := range named {
		ids[i] = []byte(user)
	}
	methods := map[Method]int{}
	for i := range pairs {
		random := rand.New(rand.NewPCG(uint64(i), 15))
		oldFile, newFile := randomPair(random)
		before, after := load(t, oldFile), load(t, newFile)
		before, after = stage(random, before), stage(random, after)
		d := Compare(before, after, Options{})
		if missing, invented := wrongPopulations(before, after, d); len(missing)+len(invented) > 0 {
			t.Errorf("pair %d: requests have the populations %q, which are not compared; no request has %q\n%s%s", i, missing, invented, oldFile, newFile)
		}
		counter := NewCounter(d, 0)
		for _, id := range ids {
			counter.Add(id)
		}
		counter.Done()
		moving := make([]bool, len(ids))
		for j := range d.Comparisons {
			c := &d.Comparisons[j]
			methods[c.Method]++
			counts := count(c, before, after, ids, moving)
			for _, p := range c.People {
				if counts[pair{p.From, p.To}] != p.Count {
					t.Errorf("pair %d, %s: %d people go from %q to %q, counted by Match %d", i, c.title(), p.Count, p.From, p.To, counts[pair{p.From, p.To}])
				}
			}
			if len(counts) != len(c.People) {
				t.Errorf("pair %d, %s: Match has the moves %v, the Counter %v", i, c.title(), counts, c.People)
			}
			for p, n := range count(c, before, after, ids[:len(named)], moving) {
				if counts[p] -= n; counts[p] == 0 {
					delete(counts, p)
				}
			}
			checkShares(t, fmt.Sprintf("pair %d, %s", i, c.title()), c, counts, float64(n-int64(len(named))))
			checkNamed(t, fmt.Sprintf("pair %d, %s", i, c.title()), c, before, after, named)
			if t.Failed() {
				t.Fatalf("%s\nbecomes\n%s", oldFile, newFile)
			}
		}
		move := uint64(0)
		for _, m := range moving {
			if m {
				move++
			}
		}
		if d.People.Moving != move || d.People.Counted != uint64(n) {
			t.Errorf("pair %d: %d of %d people move, by Match %d", i, d.People.Moving, d.People.Counted, move)
		}
	}
	for _, m := range []Method{ByBuckets, ByHashes, ByConstant, ByIndependent, ByBound} {
		if methods[m] == 0 {
			t.Errorf("no comparison is made by %s: %v", m, methods)
		}
	}
	t.Logf("%d pairs of files, %d ids each, comparisons: %v", pairs, n, methods)
}

func uuids(t *testing.T, n int64) (ids [][]byte) {
	t.Helper()
	g, err := people.Generate(people.UUID, n, 15)
	for err == nil {
		var id []byte
		if id, err = g.Next(); err == nil {
			ids = append(ids, slices.Clone(id))
		}
	}
	if err != io.EOF || int64(len(ids)) != n {
		t.Fatal(err, len(ids))
	}
	return ids
}

// stage returns the table of one instant of the ramps of t.
func stage(random *rand.Rand, t *rules.Table) *rules.Table {
	stages := t.Stages()
	return stages[random.IntN(len(stages))]
}

// A visit is what a request of a test has.
type visit struct {
	host, beta        string
	user, cookie, arg bool
}

func visits() (all []visit) {
	for _, host := range []string{"a.example.com", "b.example.com", "c.example.com"} {
		for _, beta := range []string{"", "1"} {
			for keys := range 8 {
				all = append(all, visit{host, beta, keys&1 > 0, keys&2 > 0, keys&4 > 0})
			}
		}
	}
	return all
}

// set makes r the request of v by a user.
func (v visit) set(t *rules.Table, r *rules.Request, id []byte) {
	r.Reset()
	for i, name := range t.Inputs() {
		switch name {
		case ":authority":
			r.SetHeader(i, []byte(v.host))
		case ":path":
			path := "/"
			if v.arg {
				path += "?q=" + string(id)
			}
			r.SetHeader(i, []byte(path))
		case "cookie":
			if v.cookie {
				r.SetHeader(i, append([]byte("uid="), id...))
			}
		case "x-beta":
			if v.beta != "" {
				r.SetHeader(i, []byte(v.beta))
			}
		case "x-user-id":
			if v.user {
				r.SetHeader(i, id)
			}
		}
	}
}

// decided returns what decides each tag header of r, and its tag.
func decided(t *rules.Table, r *rules.Request) (by, tags map[string]string) {
	by, tags = map[string]string{}, map[string]string{}
	all := t.Rules()
	for i, d := range t.Match(r) {
		if rule := &all[i]; d.Mode == rules.ModeEnforce && d.Applies() {
			by[rule.TagHeader] = fmt.Sprintf("%s by %s", rule.Name, rule.Keys[d.Key])
			if d.Tag != rules.NoTag {
				tags[rule.TagHeader] = t.Tags()[d.Tag].Value
			}
		}
	}
	return by, tags
}

func (d *Decider) test() string {
	if d == nil {
		return ""
	}
	return d.Rule + " by " + d.Key
}

// wrongPopulations returns what requests have that is not compared, and the reverse.
func wrongPopulations(before, after *rules.Table, d *Diff) (missing, invented []string) {
	seen, compared := map[string]bool{}, map[string]bool{}
	for _, v := range visits() {
		b, a := before.NewRequest(), after.NewRequest()
		v.set(before, b, []byte("jack"))
		v.set(after, a, []byte("jack"))
		from, _ := decided(before, b)
		to, _ := decided(after, a)
		for _, header := range tagHeaders(before, after) {
			if from[header]+to[header] != "" {
				seen[header+": "+from[header]+" → "+to[header]] = true
			}
		}
	}
	for _, c := range d.Comparisons {
		compared[c.TagHeader+": "+c.Before.test()+" → "+c.After.test()] = true
	}
	for p := range maps.Keys(seen) {
		if !compared[p] {
			missing = append(missing, p)
		}
	}
	for p := range maps.Keys(compared) {
		if !seen[p] {
			invented = append(invented, p)
		}
	}
	return missing, invented
}

// count counts by Match what users get in requests of the population of c, and notes who
// moves.
func count(c *Comparison, before, after *rules.Table, ids [][]byte, moving []bool) map[pair]uint64 {
	b, a := newAsker(before, c.TagHeader), newAsker(after, c.TagHeader)
	counts := map[pair]uint64{}
	v, known := visitOf(c, before, after)
	if !known {
		return counts
	}
	for j, id := range ids {
		p := pair{b.tag(v, id), a.tag(v, id)}
		counts[p]++
		moving[j] = moving[j] || p.from != p.to
	}
	return counts
}

// visitOf returns a request of the population of c.
func visitOf(c *Comparison, before, after *rules.Table) (visit, bool) {
	b, a := before.NewRequest(), after.NewRequest()
	for _, v := range visits() {
		v.set(before, b, []byte("jack"))
		v.set(after, a, []byte("jack"))
		from, _ := decided(before, b)
		to, _ := decided(after, a)
		if from[c.TagHeader] == c.Before.test() && to[c.TagHeader] == c.After.test() {
			return v, true
		}
	}
	return visit{}, false
}

// An asker asks a table for the tag of one header.
type asker struct {
	table   *rules.Table
	request *rules.Request
	tags    []rules.Tag
	about   []bool // by rule
	isNamed bool   // whether an override decided last
}

func newAsker(t *rules.Table, header string) *asker {
	a := &asker{table: t, request: t.NewRequest(), tags: t.Tags()}
	for _, r := range t.Rules() {
		a.about = append(a.about, r.TagHeader == header)
	}
	return a
}

func (a *asker) tag(v visit, id []byte) string {
	v.set(a.table, a.request, id)
	a.isNamed = false
	for i, d := range a.table.Match(a.request) {
		if a.about[i] && d.Mode == rules.ModeEnforce && d.Applies() {
			a.isNamed = d.Reason == rules.ReasonOverride
			if d.Tag == rules.NoTag {
				return ""
			}
			return a.tags[d.Tag].Value
		}
	}
	return ""
}

// checkNamed checks that those of users whom an override names, and whose tag changes,
// are listed.
func checkNamed(t *testing.T, what string, c *Comparison, before, after *rules.Table, users []string) {
	t.Helper()
	v, _ := visitOf(c, before, after)
	b, a := newAsker(before, c.TagHeader), newAsker(after, c.TagHeader)
	want := map[Named]bool{}
	for _, user := range users {
		from, to := b.tag(v, []byte(user)), a.tag(v, []byte(user))
		if (b.isNamed || a.isNamed) && from != to {
			want[Named{user, from, to}] = true
		}
	}
	got := map[Named]bool{}
	for _, n := range c.Named {
		got[n] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s: the named users %v move, by Match %v", what, got, want)
	}
}

// checkShares checks that the shares of c are within six standard deviations of counts,
// beside the error bound: one in 500 million is not.
func checkShares(t *testing.T, what string, c *Comparison, counts map[pair]uint64, n float64) {
	t.Helper()
	near := func(what string, got uint64, share Share) {
		p := share.Percent() / 100
		allowed := 6*math.Sqrt(n*p*(1-p)) + n*c.ErrorBound/100
		if p > 0 && n*p < 20 {
			allowed += 20 // a normal distribution says nothing of so few
		}
		if math.Abs(float64(got)-n*p) > allowed {
			t.Errorf("%s: %s is %s by %s, so %.0f of %.0f people; counted %d, allowed are ±%.0f", what, what, share, c.Method, n*p, n, got, allowed)
		}
	}
	before, after, moved := map[string]uint64{}, map[string]uint64{}, uint64(0)
	for p, m := range counts {
		before[p.from] += m
		after[p.to] += m
		if p.from != p.to {
			moved += m
		}
	}
	for _, s := range c.Shares {
		near(what+": "+s.Tag+" before", before[s.Tag], s.Before)
		near(what+": "+s.Tag+" after", after[s.Tag], s.After)
	}
	if c.Method == ByBound {
		if most := n*c.Moving.Percent()/100 + 6*math.Sqrt(n) + n*c.ErrorBound/100; float64(moved) > most {
			t.Errorf("%s: at most %s move, so %.0f people; counted %d", what, c.Moving, most, moved)
		}
		return
	}
	cells := map[pair]Share{}
	for _, m := range c.Moves {
		cells[pair{m.From, m.To}] = m.Share
		near(what+": "+m.From+" → "+m.To, counts[pair{m.From, m.To}], m.Share)
	}
	for p, m := range counts {
		if cells[p].Count == 0 {
			t.Errorf("%s: %d people go from %q to %q, which the matrix has not", what, m, p.from, p.to)
		}
	}
	near(what+": moving", moved, c.Moving)
}

// randomPair returns two rules files, of which the second is often the first with edits.
func randomPair(random *rand.Rand) (string, string) {
	one := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	names := []string{"first", "second", "third"}
	before := map[string]string{}
	file := func() string {
		var b strings.Builder
		b.WriteString("rules:\n")
		list := slices.Clone(names[:1+random.IntN(len(names))])
		if random.IntN(4) == 0 {
			slices.Reverse(list)
		}
		for _, name := range list {
			text := before[name]
			if text == "" || random.IntN(3) > 0 {
				text = randomRule(random, name, one)
			}
			before[name] = text
			b.WriteString(text)
		}
		return b.String()
	}
	return file(), file()
}

func randomRule(random *rand.Rand, name string, one func(...string) string) string {
	var b strings.Builder
	modulo := []int{100, 100, 1000, 97, 12, 1000000, 999999, 1}[random.IntN(8)]
	fmt.Fprintf(&b, "- name: %s\n  tagHeader: %s\n  modulo: %d\n", name, one("x-tag", "x-tag", "x-other"), modulo)
	b.WriteString(one("", "", "  match: {hosts: [a.example.com]}\n", "  match: {hosts: [a.example.com, b.example.com]}\n", "  match: {hosts: [b.example.com]}\n", "  match: {headers: [{name: x-beta, present: false}]}\n", "  match: {headers: [{name: x-beta, exact: \"1\"}]}\n"))
	b.WriteString("  keys: " + one("[{header: x-user-id}]", "[{header: x-user-id}]", "[{header: x-user-id}, {cookie: uid}]", "[{cookie: uid}, {header: x-user-id}]", "[{query: q}]") + "\n")
	b.WriteString(one("", "", "  hash: xxh3\n", "  hash: xxh3\n  salt: spring\n"))
	b.WriteString(one("", "", "", "", "  mode: shadow\n", "  mode: \"off\"\n"))
	b.WriteString(one("", "", "  overrides: [{values: [jack], tagValue: z}]\n", "  overrides: [{values: [jack, jason], none: true}, {values: [vance], tagValue: a}]\n"))
	if random.IntN(4) == 0 {
		size := random.IntN(modulo + 1)
		fmt.Fprintf(&b, "  partitions: [{partitionSize: %d, tagValue: a}, {partitionSize: %d, tagValue: b}]\n", size, random.IntN(modulo-size+1))
		return b.String()
	}
	b.WriteString("  policies:\n")
	for i := range 1 + random.IntN(4) {
		from, to := 0, random.IntN(modulo+1)
		if random.IntN(3) == 0 {
			from = random.IntN(to + 1)
		}
		fmt.Fprintf(&b, "  - {from: %d, tagValue: %s, ", from, one("a", "b", "c", "d"))
		if i == 0 && random.IntN(4) == 0 {
			fmt.Fprintf(&b, "ramp: [{at: 2026-12-01T09:00:00Z, range: %d}, {at: 2026-12-02T09:00:00Z, range: %d}]}\n", to, modulo)
			continue
		}
		fmt.Fprintf(&b, "range: %d}\n", to)
	}
	return b.String()
}
