package observed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A ColumnError says that the file has no column for a header of the rules, or more than
// one.
type ColumnError struct {
	Header string   // of the rules: a key or a tag header; "" where any tag header would do
	Names  []string // of the columns that would do
	Has    []string // the columns of the file
	Twice  bool     // the file has the column more than once
}

// maxShownColumns is the most columns of a file that an error names.
const maxShownColumns = 20

func (e *ColumnError) Error() string {
	has := e.Has
	rest := ""
	if len(has) > maxShownColumns {
		has, rest = has[:maxShownColumns], ", …"
	}
	text := fmt.Sprintf("the first line has no column %s", quoted(e.Names, " or "))
	if e.Twice {
		text = fmt.Sprintf("the first line has several columns %s", quoted(e.Names, " or "))
	}
	if e.Header != "" {
		text += fmt.Sprintf(" for the header %s", e.Header)
	}
	text += fmt.Sprintf("; it has %s%s", quoted(has, ", "), rest)
	if len(e.Has) == 1 && strings.ContainsAny(e.Has[0], ";\t|") {
		text += "; columns are separated by commas"
	}
	return text
}

func quoted(names []string, separator string) string {
	var q []string
	for _, n := range names {
		q = append(q, fmt.Sprintf("%q", n))
	}
	return strings.Join(q, separator)
}

// A HeaderError says that the options name a header that is neither a key nor a
// tag header of the rules.
type HeaderError struct {
	Header string
	Has    []string // the headers of the rules
}

func (e *HeaderError) Error() string {
	return fmt.Sprintf("%q is not a header of the rules; they have %s", e.Header, strings.Join(e.Has, ", "))
}

// columns are the indexes of the values in a row.
type columns struct {
	keys []int // for each of Table.Keys
	tags []int // for each compared tag header
}

// The columns that count if none has the name of the header, and the rules have only one
// key, or one tag header.
var (
	idColumns  = []string{"id"}
	tagColumns = []string{"tag", "version"}
)

// findColumns finds the columns of keys and tag headers in the first row. It keeps only
// those tag headers that have a column.
func (c *comparer) findColumns(row []string) error {
	for i := range row {
		row[i] = strings.TrimSpace(row[i])
	}
	keys := c.table.Keys()
	known := slices.Clone(c.headers)
	for _, k := range keys {
		known = append(known, k.Name)
	}
	named := map[string]string{}
	for header, column := range c.options.Columns {
		header = strings.ToLower(header)
		if !slices.Contains(known, header) {
			return &HeaderError{Header: header, Has: known}
		}
		named[header] = column
	}
	c.report.Columns = map[string]string{}
	find := func(header string, others []string) (int, error) {
		names := append([]string{header}, others...)
		if name, set := named[header]; set {
			names = []string{name}
		}
		i, err := findColumn(row, header, names)
		if err == nil {
			c.report.Columns[header] = row[i]
		}
		return i, err
	}
	for _, k := range keys {
		i, err := find(k.Name, onlyIf(len(keys) == 1, idColumns))
		if err != nil {
			return err
		}
		c.columns.keys = append(c.columns.keys, i)
	}
	return c.findTagColumns(row, named, find)
}

// findTagColumns finds the columns of tag headers. At least one must exist, and so must
// those that the options name.
func (c *comparer) findTagColumns(row []string, named map[string]string, find func(string, []string) (int, error)) error {
	others := onlyIf(len(c.headers) == 1, tagColumns)
	var compared []string
	for _, h := range c.headers {
		i, err := find(h, others)
		_, isNamed := named[h]
		if ce, ok := errors.AsType[*ColumnError](err); ok && !ce.Twice && !isNamed {
			c.report.NotCompared = append(c.report.NotCompared, h)
			continue
		}
		if err != nil {
			return err
		}
		c.columns.tags = append(c.columns.tags, i)
		compared = append(compared, h)
	}
	if len(compared) == 0 {
		return &ColumnError{Names: append(slices.Clone(c.headers), others...), Has: row}
	}
	c.headers = compared
	return nil
}

func onlyIf(condition bool, names []string) []string {
	if condition {
		return names
	}
	return nil
}

// findColumn returns the index of the first of names, in any case, that row has.
func findColumn(row []string, header string, names []string) (int, error) {
	for _, name := range names {
		is := func(column string) bool { return strings.EqualFold(column, name) }
		i := slices.IndexFunc(row, is)
		if i < 0 {
			continue
		}
		if slices.ContainsFunc(row[i+1:], is) {
			return 0, &ColumnError{Header: header, Names: []string{name}, Has: slices.Clone(row), Twice: true}
		}
		return i, nil
	}
	return 0, &ColumnError{Header: header, Names: names, Has: slices.Clone(row)}
}
