package chaos

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/envoy"
)

var (
	both     = envoy.Versions()
	current  = []string{envoy.Version}
	previous = []string{envoy.PreviousVersion}
)

// Requests per second of an ordinary load. The short form leaves room for the race
// detector.
const (
	fullRate  = 500
	shortRate = 100
)

// allRows are the rows in the order of the table.
func allRows() []row { return slices.Concat(processRows, fileRows, hostileRows) }

// A result is what came of a row on one Envoy.
type result struct {
	row      *row
	version  string
	n        int
	findings *findings
	failed   bool          // it could not be run to its end
	late     time.Duration // how late the load itself was, at most
}

func (r *result) met() bool { return !r.failed && len(r.findings.unmet()) == 0 }

func TestChaos(t *testing.T) {
	pattern, err := regexp.Compile(*only)
	if err != nil {
		t.Fatalf("-rows: %v", err)
	}
	if *out != "" && (!*full || *only != "" || *divide != 1) {
		t.Fatal("-out takes the whole table with its full figures: add -full, and leave -rows and -divide out")
	}
	var mu sync.Mutex
	var results []result
	started := time.Now()
	progress := func(format string, args ...any) {
		if *full {
			fmt.Fprintf(os.Stderr, "%8v  %s\n", time.Since(started).Truncate(time.Second), fmt.Sprintf(format, args...))
		}
	}
	rows := allRows()
	t.Run("rows", func(t *testing.T) {
		for i := range rows {
			r := &rows[i]
			if !pattern.MatchString(r.name) {
				continue
			}
			// In the full form one row after another, its Envoys at the same time; in
			// the short form all at the same time.
			t.Run(r.name, func(t *testing.T) {
				if !*full {
					t.Parallel()
				}
				versions := r.envoys
				if len(versions) == 0 {
					versions = []string{""}
				}
				for _, version := range versions {
					t.Run(cmp.Or(version, "no Envoy"), func(t *testing.T) {
						t.Parallel()
						res := result{row: r, version: version, n: r.figure(), findings: &findings{}, failed: true}
						progress("%s, %d %s, %s", r.name, res.n, r.unit, cmp.Or(version, "no Envoy"))
						b := &bed{version: version, rate: shortRate, findings: res.findings}
						if *full {
							b.rate = fullRate
						}
						t.Cleanup(func() { // after those of the row
							res.failed = t.Failed()
							for _, l := range b.loads {
								res.late = max(res.late, l.late)
							}
							if !*full {
								for _, c := range res.findings.unmet() {
									t.Errorf("not met: %s", c)
								}
							}
							if !res.met() {
								b.explain(t)
							}
							progress("%s, %s: %s", r.name, cmp.Or(version, "no Envoy"), res.outcome())
							mu.Lock()
							defer mu.Unlock()
							results = append(results, res)
						})
						r.run(t, b, res.findings, res.n)
						res.findings.end()
					})
				}
			})
		}
	})
	if len(results) == 0 {
		t.Fatalf("-rows %s matches no row", *only)
	}
	if !*full {
		return
	}
	report(t, rows, results, time.Since(started))
}

// busy is how late the load may be itself before its figures say more of the
// machine than of tagproc.
const busy = 50 * time.Millisecond

// outcome is what there is to say of the row in one line.
func (r *result) outcome() string {
	var text string
	switch {
	case r.failed:
		text = "could not be run"
	case !r.met():
		text = "not met: " + strings.Join(r.findings.unmet(), ", ")
	default:
		return "met"
	}
	if r.late > busy {
		text += "; the load itself was late by " + milliseconds(r.late) + ": was the machine busy with something else?"
	}
	return text
}
