package observed

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/people"
)

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

// findColumns finds the columns of keys and tag headers. It keeps only those tag headers
// that have a column.
func (c *comparer) findColumns(rows *people.Rows) error {
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
		i, err := rows.Column(header, names)
		if err == nil {
			c.report.Columns[header] = rows.Columns[i]
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
	return c.findTagColumns(rows, named, find)
}

// findTagColumns finds the columns of tag headers. At least one must exist, and so must
// those that the options name.
func (c *comparer) findTagColumns(rows *people.Rows, named map[string]string, find func(string, []string) (int, error)) error {
	others := onlyIf(len(c.headers) == 1, tagColumns)
	var compared []string
	for _, h := range c.headers {
		i, err := find(h, others)
		_, isNamed := named[h]
		if ce, ok := errors.AsType[*people.ColumnError](err); ok && !ce.Twice && !isNamed {
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
		return &people.ColumnError{Names: append(slices.Clone(c.headers), others...), Has: rows.Columns}
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
