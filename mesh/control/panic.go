package control

import (
	"fmt"
	"runtime"
	"strings"

	"istio.io/istio/pkg/test"
)

// A PanicError is a panic of Istio's code, which takes for granted what an object does not have.
type PanicError struct {
	Value any
	Where string // the function
}

func (p *PanicError) Error() string {
	return fmt.Sprintf("Istio's code panics: %v, in %s", p.Value, p.Where)
}

// guard, deferred, makes an error of a panic.
func guard(err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{v, where()}
	}
}

// where returns the function that panics.
func where() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	panics := false
	for {
		f, more := frames.Next()
		if panics && !strings.HasPrefix(f.Function, "runtime.") {
			return f.Function
		}
		panics = panics || f.Function == "runtime.gopanic"
		if !more {
			return "an unknown function"
		}
	}
}

// Run calls f with what [Start] needs, and ends what f has started. A panic of Istio's code
// while f is called is returned as a *[PanicError].
func Run(f func(t test.Failer) error) (err error) {
	defer guard(&err)
	var own error
	failed := test.Wrap(func(t test.Failer) {
		defer guard(&own)
		own = f(t)
	})
	if own != nil {
		return own
	}
	if failed != nil {
		return fmt.Errorf("couldn't run Istio's control plane: %w", failed)
	}
	return nil
}
