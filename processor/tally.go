package processor

import (
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tagproc/tagproc/rules"
)

const (
	// MaxGroups is the most groups of neighbouring buckets that a Tally tells apart.
	MaxGroups = 100

	// maxCells is the most cells of all tallies of a table: 512 KiB. Rules that find no
	// room are not tallied.
	maxCells = 1 << 16
)

// A Tally counts the requests that one rule decides by their buckets, by key, by tag and by
// group of buckets. Buckets say whether shares are right, and groups how far they can be
// trusted: a user who sends many requests adds all of them to one group. It is the only
// counter of such a decision: tagproc_decisions_total adds up its cells.
//
// It is safe for concurrent use. A rule that an edit of the file does not touch keeps its
// Tally.
type Tally struct {
	// Tags are those of TagsOf the rule.
	Tags []string
	// Groups is the number of groups, 1 to MaxGroups. Bucket b belongs to group
	// b*Groups/Modulo.
	Groups int
	// Modulo is that of the rule.
	Modulo int
	// Since is when it began to count.
	Since time.Time

	rule  rules.Rule
	scale uint64          // group = bucket*scale>>40, which is exact below 1<<20 buckets
	first []int           // by policy+1: the cell of its tag and group 0, of the first key
	ofKey int             // cells of a key
	cells []atomic.Uint64 // by key, then by tag, then by group
}

// TagsOf returns the different tags of the policies of r, in their order, and at last "",
// which is no tag.
func TagsOf(r *rules.Rule) (tags []string) {
	for _, p := range r.Policies {
		if !slices.Contains(tags, p.TagValue) {
			tags = append(tags, p.TagValue)
		}
	}
	return append(tags, "")
}

// newTally returns an empty Tally of a rule that has at most room cells, or nil.
func newTally(r rules.Rule, room int) *Tally {
	t := &Tally{Groups: min(MaxGroups, int(r.Modulo)), Modulo: int(r.Modulo), Since: time.Now(), Tags: TagsOf(&r), rule: r}
	t.ofKey = len(t.Tags) * t.Groups
	if len(r.Keys)*t.ofKey > room {
		return nil
	}
	t.scale = (uint64(t.Groups)<<40 + uint64(r.Modulo) - 1) / uint64(r.Modulo)
	t.first = append(t.first, (len(t.Tags)-1)*t.Groups)
	for _, p := range r.Policies {
		t.first = append(t.first, slices.Index(t.Tags, p.TagValue)*t.Groups)
	}
	t.cells = make([]atomic.Uint64, len(r.Keys)*t.ofKey)
	return t
}

// newTallies returns the tallies of a table, by index of its rules: those of before where
// the rule is the same.
func newTallies(t *rules.Table, before []*Tally) []*Tally {
	was := map[string]*Tally{}
	for _, b := range before {
		if b != nil {
			was[b.rule.Name] = b
		}
	}
	room := maxCells
	all := t.Rules()
	tallies := make([]*Tally, len(all))
	for i, r := range all {
		r.Description = "" // it decides nothing
		tally := was[r.Name]
		if tally == nil || !reflect.DeepEqual(tally.rule, r) {
			tally = newTally(r, room)
		}
		if tally != nil && len(tally.cells) <= room {
			tallies[i] = tally
			room -= len(tally.cells)
		}
	}
	return tallies
}

// add counts a decision whose reason is ReasonPolicy or ReasonNoPolicy.
func (t *Tally) add(d *rules.Decision) {
	t.cells[int(d.Key)*t.ofKey+t.first[d.Policy+1]+int(uint64(d.Bucket)*t.scale>>40)].Add(1)
}

// Sample appends what was counted so far: of each tag, after those of the tag before, the
// requests by group. The counts wrap around, so that only differences of two samples mean
// something.
func (t *Tally) Sample(dst []uint32) []uint32 {
	for i := range t.ofKey {
		n := uint64(0)
		for cell := i; cell < len(t.cells); cell += t.ofKey {
			n += t.cells[cell].Load()
		}
		dst = append(dst, uint32(n))
	}
	return dst
}

// A part is what a Tally has of one key and tag.
type part struct {
	tally *Tally // nil: nothing
	first int    // its cells begin here
}

// of returns the part of the key of an index and a tag.
func (t *Tally) of(key int, tag string) part {
	if t == nil {
		return part{}
	}
	return part{t, key*t.ofKey + slices.Index(t.Tags, tag)*t.Groups}
}

// sum returns how many requests are in p.
func (p part) sum() (n uint64) {
	if p.tally == nil {
		return 0
	}
	for i := range p.tally.Groups {
		n += p.tally.cells[p.first+i].Load()
	}
	return n
}
