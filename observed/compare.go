package observed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/people"
	"github.com/tagproc/tagproc/rules"
)

// Options are how to read a file and how much of it to show.
type Options struct {
	// Columns are names of columns, in any case, by the header of the rules whose
	// values they have. Without one a column has the header's name; if the rules
	// have one key, also "id"; if they have one tag header, also "tag" or "version".
	Columns map[string]string
	// Mappings say what observed values stand for. A value without one is a tag; an
	// empty value, or "-" as in an access log, means no tag.
	Mappings []Mapping
	// Show is how many users who differ, and how many contradicting rows, the
	// report lists.
	Show int
	// Progress, if set, is called now and then with the rows and the bytes that
	// were read.
	Progress func(rows, bytes int64)
}

// progressRows is how many rows lie between two calls of Progress.
const progressRows = 4096

// Compare reads a CSV file, whose first line names its columns, and compares each user's
// tags with what t decides. A key's value is in the column of its name, wherever requests
// have it. An error is a [people.FileError], a [people.ColumnError], a [HeaderError], that
// of ctx, or one of r.
func Compare(ctx context.Context, r io.Reader, t *rules.Table, o Options) (*Report, error) {
	return compare(ctx, r, t, o, MaxUsers)
}

func compare(ctx context.Context, r io.Reader, t *rules.Table, o Options, maxUsers int) (*Report, error) {
	c := &comparer{
		table: t, options: o, headers: t.TagHeaders(), users: newUsers(maxUsers), moves: map[Move]int64{},
		request: t.NewRequest(), rules: t.Rules(), tags: t.Tags(),
		report: Report{
			RulesDigest: t.Digest(), NotCompared: []string{}, Moves: []Move{}, Different: []User{},
			Contradictions: []Contradiction{}, UnknownTags: []UnknownTag{}, UnusedMappings: []string{},
		},
	}
	if len(c.rules) == 0 {
		return nil, errors.New("the rules file has no rules to compare with")
	}
	for _, r := range c.rules {
		if !r.Match.IsZero() {
			return nil, fmt.Errorf("rule %s matches only some requests, and a file of users does not say which requests they made; remove the rule's match from a copy of the rules, and compare with that", r.Name)
		}
	}
	rows, err := people.OpenRows(r)
	if err != nil {
		return nil, err
	}
	if err := c.head(rows); err != nil {
		return nil, err
	}
	if err := c.body(ctx, rows); err != nil {
		return nil, err
	}
	return c.finish()
}

// A comparer compares one file.
type comparer struct {
	table   *rules.Table
	options Options
	headers []string // the tag headers that are compared
	columns columns
	tagged  []tagColumn // one for each of headers
	users   *users
	moves   map[Move]int64 // users, by a Move without them
	report  Report

	rules []rules.Rule
	tags  []rules.Tag

	// Of the row at hand.
	request  *rules.Request
	keys     [][]byte
	observed []string // tags
}

// head finds the columns.
func (c *comparer) head(rows *people.Rows) error {
	if err := c.findColumns(rows); err != nil {
		return err
	}
	c.keys = make([][]byte, len(c.columns.keys))
	c.observed = make([]string, len(c.headers))
	for _, h := range c.headers {
		c.tagged = append(c.tagged, c.newTagColumn(h))
	}
	return nil
}

// body reads the rows after the first line.
func (c *comparer) body(ctx context.Context, rows *people.Rows) error {
	var problems []people.Problem
	for fatal := false; !fatal && len(problems) < people.MaxProblems; {
		if c.report.Rows%progressRows == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if c.options.Progress != nil {
				c.options.Progress(c.report.Rows, rows.BytesRead())
			}
		}
		row, p, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		c.report.Rows++
		if p != nil {
			problems = append(problems, *p)
			continue
		}
		if p, fatal = c.row(rows, row); p != nil {
			problems = append(problems, *p)
		}
	}
	if problems != nil {
		return people.Fail(problems...)
	}
	return nil
}

// finish returns the report.
func (c *comparer) finish() (*Report, error) {
	r := &c.report
	switch {
	case r.Rows == 0:
		return nil, people.Fail(people.Problem{Message: "the file has no rows after its first line"})
	case r.Users == 0:
		return nil, people.Fail(people.Problem{Message: "no row has a user's id"})
	}
	for m, users := range c.moves {
		m.Users = users
		r.Moves = append(r.Moves, m)
	}
	slices.SortFunc(r.Moves, func(a, b Move) int {
		return cmp.Or(cmp.Compare(b.Users, a.Users), strings.Compare(a.Header, b.Header), strings.Compare(a.From, b.From), strings.Compare(a.To, b.To))
	})
	used := make([]bool, len(c.options.Mappings))
	for _, t := range c.tagged {
		for _, tag := range slices.Sorted(maps.Keys(t.unknown)) {
			r.UnknownTags = append(r.UnknownTags, UnknownTag{Header: t.header, Tag: tag, Users: t.unknown[tag]})
		}
		for _, reading := range t.readings {
			if reading.mapping >= 0 {
				used[reading.mapping] = true
			}
		}
	}
	for i, m := range c.options.Mappings {
		if !used[i] {
			r.UnusedMappings = append(r.UnusedMappings, m.String())
		}
	}
	return r, nil
}
