//go:build tagproc_faults

package processor

import (
	"fmt"
	"log/slog"
	"os" //nolint:depguard // for the environment; no file is read
	"strings"
	"time"
)

// faultVariable names the environment variable that says what goes wrong:
// nothing where it is empty, "panic", or "slow=" and a duration.
const faultVariable = "TAGPROC_FAULT"

// A fault is what goes wrong, on purpose, each time that request headers are
// answered. It is there to show that no request fails by it.
type fault struct {
	panics bool
	delay  time.Duration
}

// faultOfEnvironment returns the fault that faultVariable asks for. Where that
// cannot be understood the process ends, with exit code 2.
func faultOfEnvironment(log *slog.Logger) fault {
	text := os.Getenv(faultVariable)
	f, err := parseFault(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	log.Warn("this program was built with the tag tagproc_faults and must not serve users: it fails on purpose", faultVariable, text)
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
		return fault{}, fmt.Errorf("%s=%q is no fault; write panic, or slow= and a duration such as slow=100ms", faultVariable, text)
	}
}

// strike does what goes wrong.
func (f fault) strike() {
	time.Sleep(f.delay) // returns at once if there is none
	if f.panics {
		panic("the fault that " + faultVariable + " asks for")
	}
}
