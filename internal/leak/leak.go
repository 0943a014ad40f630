// Package leak finds goroutines that tests leave behind. It knows nothing of what they do.
package leak

import (
	"fmt"
	"os"
	"time"

	"go.uber.org/goleak"
)

// limit is how long goroutines that are told to end may take, on a machine that is busy:
// goleak waits for half a second.
var limit = 30 * time.Second

// Find returns an error if there are goroutines that do not end.
func Find(options ...goleak.Option) (err error) {
	for deadline := time.Now().Add(limit); ; {
		if err = goleak.Find(options...); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// Tests are the tests of a package: a *testing.M.
type Tests interface{ Run() int }

// Main runs the tests of a package, which fail if they leave a goroutine behind, and
// ends the process.
func Main(m Tests) { os.Exit(Run(m)) }

// Run does the same and returns the exit code.
func Run(m Tests) int {
	code := m.Run()
	if code != 0 {
		return code
	}
	if err := Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
