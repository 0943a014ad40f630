package shares

import (
	"strings"
	"unicode/utf8"

	"github.com/tagproc/tagproc/internal/terminal"
)

// A grid is a table for people: the first column begins, and all others end, at one place.
type grid [][]cell

type cell struct {
	text  string
	style terminal.Style // nil: plain
}

// plainCells returns a row of plain cells.
func plainCells(texts ...string) (row []cell) {
	for _, text := range texts {
		row = append(row, cell{text: text})
	}
	return row
}

// write writes the rows, each on a line that begins with two blanks.
func (g grid) write(t *terminal.Writer) {
	var widths []int
	for _, row := range g {
		for i := range row {
			row[i].text = terminal.Escape(row[i].text)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
	}
	for _, row := range g {
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
			switch {
			case i == 0 && len(row) > 1:
				t.Printf("  %s%s", c.style.Textf("%s", c.text), pad)
			case i == 0:
				t.Printf("  %s", c.style.Textf("%s", c.text))
			default:
				t.Printf("   %s%s", pad, c.style.Textf("%s", c.text))
			}
		}
		t.Printf("\n")
	}
}
