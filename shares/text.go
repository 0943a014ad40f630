package shares

import (
	"fmt"
	"strings"
	"time"

	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/internal/words"
)

const (
	mostColumns = 8  // of a matrix: one that is wider becomes a list
	mostListed  = 20 // users who are named, and moves in a list
)

// WriteText writes d for people: each comparison with its shares and its matrix, what
// the next step of a ramp moves, and who moves in all.
func WriteText(t *terminal.Writer, d *Diff) error {
	for i := range d.Comparisons {
		writeComparison(t, &d.Comparisons[i])
	}
	if n := d.Next; n != nil {
		t.Printf("%s\n", terminal.Bold.Textf("next step of the ramps after, at %s", n.At.UTC().Format(time.RFC3339)))
		for i := range n.Comparisons {
			if c := &n.Comparisons[i]; c.changes() {
				t.Printf("  %s: %s\n", c.title(), c.shiftsText())
			}
		}
		t.Printf("  %s\n\n", changeText(n.Moves))
	}
	writePeople(t, d.People)
	for _, note := range d.Notes {
		t.Printf("%s\n", note)
	}
	if len(d.Comparisons) == 0 {
		t.Printf("no rule decides anything, before or after\n")
	}
	when := ""
	if d.At != nil {
		when = " at " + d.At.UTC().Format(time.RFC3339)
	}
	t.Printf("%s%s\n", movedStyle(d.Moves).Textf("%s", changeText(d.Moves)), when)
	return t.Err()
}

func changeText(f Figure) string {
	if f.IsZero() {
		return "nobody changes a tag"
	}
	return fmt.Sprintf("users who change a tag: %s", f)
}

func movedStyle(f Figure) terminal.Style {
	if f.IsZero() {
		return terminal.Bold
	}
	return terminal.Warning
}

// changes reports whether anybody changes the tag.
func (c *Comparison) changes() bool { return c.Moving.Count > 0 || len(c.Named) > 0 }

func writeComparison(t *terminal.Writer, c *Comparison) {
	t.Printf("%s\n", terminal.Bold.Textf("%s", c.title()))
	if !c.changes() {
		t.Printf("  nobody moves: %s\n", c.shiftsText())
		writeCounts(t, c)
		t.Printf("\n")
		return
	}
	t.Printf("  %s %s\n\n", movedStyle(Figure{Percent: 1}).Textf("%s%s move", map[bool]string{true: "at most "}[c.Method == ByBound], c.Moving), terminal.Faint.Textf("(%s)", c.method()))
	g := grid{plainCells("", "before", "after")}
	for _, s := range c.Shares {
		row := plainCells(words.Tag(s.Tag), s.Before.String(), s.After.String())
		if s.Before.compare(s.After) != 0 {
			row[2].style = terminal.Bold
		}
		g = append(g, row)
	}
	g.write(t)
	t.Printf("\n")
	if c.Moving.Count > 0 && len(c.Moves) > 0 {
		writeMoves(t, c)
	}
	if len(c.Named) > 0 {
		t.Printf("  named users\n")
		for i, n := range c.Named {
			if i == mostListed {
				t.Printf("    and %d more\n", len(c.Named)-i)
				break
			}
			t.Printf("    %s: %s → %s\n", n.User, words.Tag(n.From), words.Tag(n.To))
		}
		t.Printf("\n")
	}
	if writeCounts(t, c) {
		t.Printf("\n")
	}
}

// writeMoves writes the matrix, or, if it is too wide, its cells that move users.
func writeMoves(t *terminal.Writer, c *Comparison) {
	var columns []string
	for _, s := range c.Shares {
		if s.After.Count > 0 {
			columns = append(columns, s.Tag)
		}
	}
	if len(columns) > mostColumns {
		writeMoveList(t, c)
		return
	}
	head := []string{"from"}
	for _, tag := range columns {
		head = append(head, "to "+words.Tag(tag))
	}
	g := grid{plainCells(head...)}
	shares := map[pair]Share{}
	for _, m := range c.Moves {
		shares[pair{m.From, m.To}] = m.Share
	}
	for _, s := range c.Shares {
		if s.Before.Count == 0 {
			continue
		}
		row := plainCells(words.Tag(s.Tag))
		for _, to := range columns {
			one := cell{text: "·", style: terminal.Faint}
			if share := shares[pair{s.Tag, to}]; share.Count > 0 {
				one = cell{text: share.String()}
				if to != s.Tag {
					one.style = terminal.Bold
				}
			}
			row = append(row, one)
		}
		g = append(g, row)
	}
	g.write(t)
	t.Printf("\n")
}

func writeMoveList(t *terminal.Writer, c *Comparison) {
	var g grid
	more := 0
	for _, m := range c.Moves {
		switch {
		case m.From == m.To:
		case len(g) == mostListed:
			more++
		default:
			g = append(g, plainCells(words.Tag(m.From)+" → "+words.Tag(m.To), m.Share.String()))
		}
	}
	g.write(t)
	if more > 0 {
		t.Printf("  and %d more (all of them are in -o json)\n", more)
	}
	t.Printf("\n")
}

// writeCounts writes the people counted, and reports whether there are any.
func writeCounts(t *terminal.Writer, c *Comparison) bool {
	if len(c.People) == 0 {
		return false
	}
	t.Printf("  people counted\n")
	var g grid
	for _, p := range c.People {
		row := plainCells("  "+words.Tag(p.From)+" → "+words.Tag(p.To), fmt.Sprint(p.Count))
		if p.From != p.To {
			row[1].style = terminal.Bold
		}
		g = append(g, row)
	}
	g.write(t)
	return true
}

// writePeople writes who moves by name.
func writePeople(t *terminal.Writer, p *People) {
	if p == nil {
		return
	}
	var g grid
	for _, one := range p.List {
		g = append(g, plainCells(one.ID, one.TagHeader, words.Tag(one.From)+" → "+words.Tag(one.To), bucketText(one.BucketBefore)+" → "+bucketText(one.BucketAfter)))
	}
	if len(g) > 0 {
		t.Printf("who moves, and the buckets before and after\n")
		g.write(t)
		t.Printf("\n")
	}
	t.Printf("%s: %d of %d change a tag (%s)\n", terminal.Bold.Textf("people counted"), p.Moving, p.Counted, p.Share())
}

func bucketText(b *uint32) string {
	if b == nil {
		return "none"
	}
	return fmt.Sprint(*b)
}

// title says what the comparison is about.
func (c *Comparison) title() string {
	header := c.TagHeader + ": "
	switch b, a := c.Before, c.After; {
	case b == nil:
		return header + "no rule → " + a.title()
	case a == nil:
		return header + b.title() + " → no rule"
	case b.title() == a.title():
		return header + a.title()
	default:
		return header + b.title() + " → " + a.title()
	}
}

func (d *Decider) title() string {
	text := fmt.Sprintf("rule %s by %s", d.Rule, d.Key)
	if d.Match != "" {
		text += " for " + d.Match
	}
	return text
}

// method says how the shares are computed, and how wrong they may be.
func (c *Comparison) method() string {
	text := map[Method]string{ByBuckets: "exact", ByHashes: "exact", ByConstant: "exact", ByIndependent: "expected", ByBound: "a bound"}[c.Method]
	if c.ErrorBound >= 0.0001 {
		text += fmt.Sprintf(" to ±%s of users, since the remainders of hashes are uneven", words.Percent(c.ErrorBound, decimals))
	}
	return text + "; " + c.Why
}

// shiftsText returns the shares in one line: "s2 20% → 25%, s1 80% → 75%".
func (c *Comparison) shiftsText() string {
	var texts []string
	for _, s := range c.Shares {
		switch before, after := s.Before.String(), s.After.String(); {
		case s.Before.Count+s.After.Count == 0:
		case before == after:
			texts = append(texts, words.Tag(s.Tag)+" "+after)
		default:
			texts = append(texts, fmt.Sprintf("%s %s → %s", words.Tag(s.Tag), before, after))
		}
	}
	return strings.Join(texts, ", ")
}
