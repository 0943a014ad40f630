package chaos

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A row of the table is one fault.
type row struct {
	name        string   // the fault, in the words of the table
	full, short int      // how often the fault is done, or for how long, in either form
	unit        string   // what full and short count: "kills", "s"
	envoys      []string // versions of Envoy, each with a bed of its own; none: a bed without Envoy

	// run does the fault n times, or for so long, and says in f what it found. It
	// fails t only if it could not be done.
	run func(t *testing.T, b *bed, f *findings, n int)
}

// figure returns how often the fault is done in this run.
func (r *row) figure() int {
	if *full {
		return max(1, r.full / *divide)
	}
	return r.short
}

// findings are what one row showed on one Envoy. It is for any number of goroutines.
type findings struct {
	mu      sync.Mutex
	answers summary // of all loads
	peak    int64   // the most memory that a tagproc of this row had, in bytes
	clauses []clause
}

// A clause is one thing that the row must show.
type clause struct {
	name, value, goal string // no goal: it is not judged
	met               bool
	column            bool // the table has a column of it
}

func (c clause) String() string {
	s := c.name + " " + c.value
	if c.goal != "" {
		s += " (" + c.goal + ")"
	}
	return s
}

// count adds the answers of a load to the columns that every row has. Tags that are
// not exactly those of the user fail every row.
func (f *findings) count(s summary) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers.add(s)
	f.clauses = append(f.clauses, clause{"wrong", strconv.Itoa(s.wrong), "0", s.wrong == 0, true})
}

// noneFailed and noneUntagged judge what was counted so far.
func (f *findings) noneFailed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.answers.non200
	f.clauses = append(f.clauses, clause{"non-200", strconv.Itoa(n), "0", n == 0 && f.answers.sent > 0, true})
}

func (f *findings) noneUntagged() {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.answers.untagged
	f.clauses = append(f.clauses, clause{"untagged", strconv.Itoa(n), "0", n == 0, true})
}

// check judges something that must show in every form of the run.
func (f *findings) check(name string, met bool, value, goal string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clauses = append(f.clauses, clause{name, value, goal, met, false})
}

// note adds a figure that is not judged.
func (f *findings) note(name, value string) { f.check(name, true, value, "") }

// exactly judges a count.
func (f *findings) exactly(name string, got, want int) {
	f.check(name, got == want, grouped(got), grouped(want))
}

// atMost judges a count.
func (f *findings) atMost(name string, got, most int) {
	f.check(name, got <= most, grouped(got), "≤ "+grouped(most))
}

// atLeast judges a count.
func (f *findings) atLeast(name string, got, least int) {
	f.check(name, got >= least, grouped(got), "≥ "+grouped(least))
}

// within judges a time, in the full form only.
func (f *findings) within(name string, got, most time.Duration) {
	f.check(name, !*full || got <= most, milliseconds(got), "≤ "+milliseconds(most))
}

// memory judges an amount of memory, in the full form only.
func (f *findings) memory(name string, got, most int64) {
	f.check(name, !*full || got <= most, mebibytes(got), "≤ "+mebibytes(most))
}

// sawMemory takes the most memory that a tagproc had, in bytes.
func (f *findings) sawMemory(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.peak = max(f.peak, bytes)
}

// end judges what no row may do, when the row has ended.
func (f *findings) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clauses = append(f.clauses, clause{"memory", mebibytes(f.peak), "< " + mebibytes(memoryLimit), !*full || f.peak < memoryLimit, true})
}

func (f *findings) unmet() (unmet []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.clauses {
		if !c.met {
			unmet = append(unmet, c.String())
		}
	}
	return unmet
}

// shown are the clauses that have no column, in one cell.
func (f *findings) shown() string {
	var cells []string
	for _, c := range f.clauses {
		if !c.column || !c.met {
			cells = append(cells, c.String())
		}
	}
	return strings.Join(cells, ", ")
}

// milliseconds writes a time in the unit that it is judged in.
func milliseconds(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }
