package chaos

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/machine"
)

// The marks between which a document has the table.
const (
	beginMark = "<!-- chaos -->"
	endMark   = "<!-- /chaos -->"
)

// report prints the table, writes it to where -out says, and fails t for every row
// that failed.
func report(t *testing.T, rows []row, results []result, took time.Duration) {
	t.Helper()
	text := table(rows, results)
	fmt.Printf("\n%s\n", text)
	for _, r := range results {
		if !r.met() {
			t.Errorf("%s, Envoy %s: %s", r.row.name, cmp.Or(r.version, "–"), r.outcome())
		}
	}
	if *out == "" {
		return
	}
	document, err := os.ReadFile(*out)
	if err != nil {
		t.Fatal(err)
	}
	if document, err = splice(document, origin(took)+"\n\n"+text); err != nil {
		t.Fatalf("%s: %v", *out, err)
	}
	if err := os.WriteFile(*out, document, 0o644); err != nil {
		t.Fatal(err)
	}
}

// splice puts text between the marks of a document.
func splice(document []byte, text string) ([]byte, error) {
	before, rest, begun := bytes.Cut(document, []byte(beginMark))
	_, after, ended := bytes.Cut(rest, []byte(endMark))
	if !begun || !ended {
		return nil, fmt.Errorf("there are no lines %q and %q; add them where the table is to stand", beginMark, endMark)
	}
	return fmt.Appendf(nil, "%s%s\n%s\n%s%s", before, beginMark, strings.TrimSpace(text), endMark, after), nil
}

// origin says in Markdown where, when and with what was measured.
func origin(took time.Duration) string {
	m := machine.This()
	tagproc := "tagproc of an unknown commit"
	if out, err := exec.Command("git", "describe", "--tags", "--always", "--dirty").Output(); err == nil {
		tagproc = "tagproc " + strings.TrimSpace(string(out))
	}
	return fmt.Sprintf("Measured on %s in %.0f minutes: %s; %s, %s, Envoy %s.",
		time.Now().UTC().Format(time.DateOnly), took.Minutes(), m, tagproc, m.Go, strings.Join(envoy.Versions(), " and "))
}

// table writes the results in Markdown, in columns that also read well in a
// terminal.
func table(rows []row, results []result) string {
	lines := [][]string{{"fault", "figure", "Envoy", "requests", "non-200", "untagged", "wrong", "what showed (goal)", "memory", ""}}
	for i := range rows {
		of := slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.row != &rows[i] })
		slices.SortFunc(of, func(a, b result) int { return -strings.Compare(a.version, b.version) })
		for _, r := range of {
			f := r.findings
			counts := []string{"–", "–", "–", "–"}
			if a := f.answers; a.sent > 0 {
				counts = []string{grouped(a.sent), grouped(a.non200), grouped(a.untagged), grouped(a.wrong)}
			}
			met := "met"
			if !r.met() {
				met = "**not met**"
			}
			lines = append(lines, slices.Concat(
				[]string{r.row.name, grouped(r.n) + " " + r.row.unit, cmp.Or(r.version, "–")},
				counts, []string{f.shown(), mebibytes(f.peak), met}))
		}
	}
	return aligned(lines, "llrrrrrlrl")
}

// aligned writes a table whose first line is its head. Each column is aligned to the
// left (l) or to the right (r).
func aligned(lines [][]string, sides string) string {
	widths := make([]int, len(sides))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, line := range lines {
		for i, cell := range line {
			padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if sides[i] == 'r' {
				cell = padding + cell
			} else {
				cell += padding
			}
			b.WriteString("| " + cell + " ")
		}
		b.WriteString("|\n")
		if n > 0 {
			continue
		}
		for i, width := range widths {
			rule := strings.Repeat("-", width+1)
			if sides[i] == 'r' {
				rule += ":"
			} else {
				rule += "-"
			}
			b.WriteString("|" + rule)
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// grouped writes a number with commas: 12,345.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
