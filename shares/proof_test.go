package shares

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	var guard sync.Mutex
	t.Run("pairs", func(t *testing.T) {
		for i := range pairs {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				d := provePair(t, rand.New(rand.NewPCG(uint64(i), 15)), ids, named)
				guard.Lock()
				defer guard.Unlock()
				for _, c := range d.Comparisons {
					methods[c.Method]++
				}
			})
		}
	})
	for _, m := range []Method{ByBuckets, ByHashes, ByConstant, ByIndependent, ByBound} {
		if methods[m] == 0 {
			t.Errorf("no comparison is made by %s: %v", m, methods)
		}
	}
	t.Logf("%d pairs of files, %d ids each, comparisons: %v", pairs, n, methods)
}

// provePair compares a random pair of rules files.
func provePair(t *testing.T, random *rand.Rand, ids [][]byte, named []string) *Diff {
	t.Helper()
	oldFile, newFile := randomPair(random)
	before, after := stage(random, load(t, oldFile)), stage(random, load(t, newFile))
	b, a := newAsker(before), newAsker(after)
	d := Compare(before, after, Options{})
	if missing, invented := wrongPopulations(b, a, d); len(missing)+len(invented) > 0 {
		t.Fatalf("requests have the populations %q, which are not compared; no request has %q\n%s%s", missing, invented, oldFile, newFile)
	}
	counter := NewCounter(d, 0)
	for _, id := range ids {
		counter.Add(id)
	}
	counter.Done()
	moving := make([]bool, len(ids))
	for j := range d.Comparisons {
		c := &d.Comparisons[j]
		v := visitOf(c, b, a)
		counts := count(c, v, b, a, ids, moving)
		for _, p := range c.People {
			if counts[pair{p.From, p.To}] != p.Count {
				t.Errorf("%s: %d people go from %q to %q, counted by Match %d", c.title(), p.Count, p.From, p.To, counts[pair{p.From, p.To}])
			}
		}
		if len(counts) != len(c.People) {
			t.Errorf("%s: Match has the moves %v, the Counter %v", c.title(), counts, c.People)
		}
		for p, n := range count(c, v, b, a, ids[:len(named)], moving) {
			if counts[p] -= n; counts[p] == 0 {
				delete(counts, p)
			}
		}
		checkShares(t, c.title(), c, counts, float64(len(ids)-len(named)))
		checkNamed(t, c.title(), c, v, b, a, named)
		checkSums(t, c)
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
	if d.People.Moving != move || d.People.Counted != uint64(len(ids)) {
		t.Errorf("%d of %d people move, by Match %d", d.People.Moving, d.People.Counted, move)
	}
	return d
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
	if !errors.Is(err, io.EOF) || int64(len(ids)) != n {
		t.Fatal(err, len(ids))
	}
	return ids
}

// stage returns the table of one instant of the ramps of t.
func stage(random *rand.Rand, t *rules.Table) *rules.Table {
	stages := t.Stages()
	return stages[random.IntN(len(stages))]
}

// wrongPopulations returns what requests have that is not compared, and the reverse.
func wrongPopulations(b, a *asker, d *Diff) (missing, invented []string) {
	seen, compared := map[string]bool{}, map[string]bool{}
	for _, v := range visits() {
		from, to := b.deciders(v), a.deciders(v)
		for _, header := range tagHeaders(b.table, a.table) {
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

// count counts by Match what users get in requests like v, and notes who moves.
func count(c *Comparison, v visit, b, a *asker, ids [][]byte, moving []bool) map[pair]uint64 {
	counts := map[pair]uint64{}
	for j, id := range ids {
		p := pair{b.tag(c.TagHeader, v, id), a.tag(c.TagHeader, v, id)}
		counts[p]++
		moving[j] = moving[j] || p.from != p.to
	}
	return counts
}

// visitOf returns a request of the population of c.
func visitOf(c *Comparison, b, a *asker) visit {
	all := visits()
	return all[slices.IndexFunc(all, func(v visit) bool {
		return b.deciders(v)[c.TagHeader] == c.Before.test() && a.deciders(v)[c.TagHeader] == c.After.test()
	})]
}

// checkNamed checks that those of users whom an override names, and whose tag changes,
// are listed.
func checkNamed(t *testing.T, what string, c *Comparison, v visit, b, a *asker, users []string) {
	t.Helper()
	want := map[Named]bool{}
	for _, user := range users {
		from, to := b.tag(c.TagHeader, v, []byte(user)), a.tag(c.TagHeader, v, []byte(user))
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

// checkSums checks that the rows and columns of the matrix add up to the shares.
func checkSums(t *testing.T, c *Comparison) {
	t.Helper()
	for _, s := range c.Shares {
		before, after := Share{Of: c.Moving.Of}, Share{Of: c.Moving.Of}
		for _, m := range c.Moves {
			if m.From == s.Tag {
				before.Count += m.Share.Count
			}
			if m.To == s.Tag {
				after.Count += m.Share.Count
			}
		}
		if c.Method != ByBound && (before.compare(s.Before) != 0 || after.compare(s.After) != 0) {
			t.Errorf("%s: the rows and columns of %q add up to %v and %v, want %v and %v", c.title(), s.Tag, before, after, s.Before, s.After)
		}
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

// randomPair returns two rules files. The second is often the first with edits.
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
