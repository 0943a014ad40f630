//go:build tagproc_faults

package processor

import (
	"fmt"
	"log/slog"
	"os" //nolint:depguard // for the environment; no file is read
	"strings"
	"time"
)

// faultVariable is the environment variable that says what goes wrong: nothing if it is
// empty, "panic", or "slow=" and a duration.
const faultVariable = "TAGPROC_FAULT"

// A fault is what goes wrong on purpose at each answer to request headers, to show that
// no request fails.
type fault struct {
	panics bool
	delay  time.Duration
}

// faultOfEnvironment returns the fault that faultVariable asks for. If it is not a fault,
// the process ends with exit code 2.
func faultOfEnvironment(log *slog.Logger) fault {
	text := os.Getenv(faultVariable)
	f, err := parseFault(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	log.Warn("this program has the build tag tagproc_faults and fails on purpose: it must not serve users", faultVariable, text)
	return f
}

// parseFault reads what faultVariable says.
func parseFault(text string) (fault, error) {
	switch delay, slow := strings.CutPrefix(text, "slow="); {
	case text == "":
		return fault{}, nil
	case text == "panic":
		return fault{panics: true}, nil
	case slow:
		if d, err := time.ParseDuration(delay); err == nil && d > 0 {
			return fault{delay: d}, nil
		}
		return fault{}, fmt.Errorf("%s=%q: %q is not a duration above 0; write one such as slow=100ms", faultVariable, text, delay)
	default:
		return fault{}, fmt.Errorf("%s=%q is not a fault; write panic, or slow= and a duration such as slow=100ms", faultVariable, text)
	}
}

// strike does what goes wrong.
func (f fault) strike() {
	time.Sleep(f.delay) // returns at once if there is none
	if f.panics {
		panic("a fault on purpose, by " + faultVariable)
	}
}
