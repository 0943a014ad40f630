package source

import (
	"fmt"
	"slices"
)

// maxListed bounds how many errors, and how many warnings, are listed of files that
// are wrong from end to end.
const maxListed = 1000

// A Report collects problems. The zero Report is empty.
type Report struct {
	problems         Problems
	errors, warnings int // that were added, listed or not
}

// Add adds problems. Of each severity the first thousand are listed.
func (r *Report) Add(ps ...Problem) {
	for _, p := range ps {
		count := &r.errors
		if p.Severity != Error {
			count = &r.warnings
		}
		switch *count++; {
		case *count == maxListed+1:
			p = Problem{File: p.File, Severity: p.Severity, Kind: KindTooManyProblems, Message: fmt.Sprintf("there are more than %d %ss; the rest is not listed", maxListed, p.Severity)}
		case *count > maxListed+1:
			continue
		}
		r.problems = append(r.problems, p)
	}
}

// Clone returns a copy of r, to which more can be added.
func (r *Report) Clone() Report {
	return Report{problems: slices.Clone(r.problems), errors: r.errors, warnings: r.warnings}
}

// Errors returns how many errors were added, listed or not.
func (r *Report) Errors() int { return r.errors }

// Full reports whether no further error would be listed.
func (r *Report) Full() bool { return r.errors > maxListed }

// Problems returns what was added: of one file in the order of its lines, files in the
// order in which they came, each problem once.
func (r *Report) Problems() Problems { return r.problems.Sort() }
