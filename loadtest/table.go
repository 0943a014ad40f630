package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A table is written in Markdown, in columns that also read well in a terminal.
type table struct {
	caption string // may be empty
	head    []string
	rows    [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String writes the table: its first column is aligned to the left and the others,
// which are figures, to the right.
func (t *table) String() string {
	widths := make([]int, len(t.head))
	for _, row := range slices.Concat([][]string{t.head}, t.rows) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		for i, cell := range cells {
			padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString("| " + cell + padding)
				continue
			}
			b.WriteString(" | " + padding + cell)
		}
		b.WriteString(" |\n")
	}
	line(t.head)
	for i, width := range widths {
		if i == 0 {
			b.WriteString("|" + strings.Repeat("-", width+2))
			continue
		}
		b.WriteString("|" + strings.Repeat("-", width+1) + ":")
	}
	b.WriteString("|\n")
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// figure writes the median of s and, where there were several rounds, its spread:
// "31.4 (30.9–33.0)".
func figure(s series, digits int) string {
	if len(s) == 1 {
		return fmt.Sprintf("%.*f", digits, s[0])
	}
	return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, s.median(), digits, slices.Min(s), digits, slices.Max(s))
}
