package observed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/people"
	"github.com/tagproc/tagproc/rules"
)

// row counts one row, or returns what is wrong with it, and whether that makes it useless
// to read further.
func (c *comparer) row(rows *people.Rows, row []string) (p *people.Problem, fatal bool) {
	wrong := func(column int, message string) *people.Problem {
		p := rows.At(column, message)
		return &p
	}
	hasKey := false
	for i, column := range c.columns.keys {
		value := rules.TrimBlanks(row[column])
		if value == people.None {
			value = ""
		}
		c.keys[i] = append(c.keys[i][:0], value...)
		if message, fatal := people.CheckID(c.keys[i]); message != "" {
			return wrong(column, message), fatal
		}
		hasKey = hasKey || value != ""
	}
	for i, column := range c.columns.tags {
		value := rules.TrimBlanks(row[column])
		if message := people.CheckValue(value); message != "" {
			return wrong(column, message), false
		}
		tag, ok := c.tagged[i].read(value)
		if !ok {
			return wrong(column, fmt.Sprintf("this column has more than %d different values by here; is it the column of %s?", maxValues, c.headers[i])), true
		}
		c.observed[i] = tag
	}
	if !hasKey {
		c.report.WithoutID++
		return nil, false
	}
	c.user(rows.Line())
	return nil, false
}

// user counts the current row, which has a key.
func (c *comparer) user(line int) {
	what, first := c.users.see(line, c.keys, c.observed)
	switch what {
	case isRepeated:
		c.report.Repeated++
		return
	case isContradicting:
		c.report.Contradicting++
		if len(c.report.Contradictions) < c.options.Show {
			c.report.Contradictions = append(c.report.Contradictions, Contradiction{Line: line, First: first, Keys: c.keysOf()})
		}
		return
	case isNotRemembered:
		c.report.NotRemembered++
	}
	c.report.Users++
	diffs := c.decide()
	if len(diffs) == 0 {
		c.report.Same++
		return
	}
	if c.report.Elsewhere++; len(c.report.Different) < c.options.Show {
		c.report.Different = append(c.report.Different, User{Line: line, Keys: c.keysOf(), Tags: diffs})
	}
}

// decide returns what the rules decide differently from the current row.
func (c *comparer) decide() (diffs []Diff) {
	c.request.Reset()
	for i, k := range c.keys {
		c.request.SetKey(i, k)
	}
	decisions := c.table.Match(c.request)
	for i := range c.tagged {
		t, was, is := &c.tagged[i], c.observed[i], ""
		rule, d := t.decider(decisions)
		if d.Tag != rules.NoTag {
			is = c.tags[d.Tag].Value
		}
		if was != "" && !slices.Contains(t.known, was) {
			t.unknown[was]++
		}
		if was == is {
			continue
		}
		c.moves[Move{Header: t.header, From: was, To: is}]++
		diff := Diff{Header: t.header, Observed: was, Tag: is}
		if rule >= 0 {
			diff.Rule, diff.Reason = c.rules[rule].Name, d.Reason.String()
		}
		if d.Reason == rules.ReasonPolicy || d.Reason == rules.ReasonNoPolicy {
			bucket := d.Bucket // d itself stays off the heap, for the rows that do not differ
			diff.Bucket, diff.Modulo = &bucket, c.rules[rule].Modulo
		}
		diffs = append(diffs, diff)
	}
	return diffs
}

// keysOf returns the keys of the current row.
func (c *comparer) keysOf() (keys []Key) {
	for i, k := range c.table.Keys() {
		if len(c.keys[i]) > 0 {
			keys = append(keys, Key{Header: k.Name, Value: strings.ToValidUTF8(string(c.keys[i]), "\uFFFD")})
		}
	}
	return keys
}
