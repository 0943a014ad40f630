package control

import (
	"errors"
	"strings"
	"testing"

	"istio.io/istio/pkg/test"
)

// TestPanic checks that a panic, of Istio's code or of what it calls, is an error that
// names the function, and that what was started is ended.
func TestPanic(t *testing.T) {
	t.Parallel()
	ended := false
	err := Run(func(t test.Failer) error {
		t.Cleanup(func() { ended = true })
		return oneThatPanics(nil)
	})
	p, is := errors.AsType[*PanicError](err)
	if !is || !strings.HasSuffix(p.Where, "control.oneThatPanics") || !strings.Contains(err.Error(), "nil pointer") {
		t.Errorf("the error is %v, want a panic in oneThatPanics, of a nil pointer", err)
	}
	if !ended {
		t.Error("what was started is not ended")
	}
	if err := Run(func(t test.Failer) error { t.Fatal("it fails"); return nil }); err == nil || !strings.Contains(err.Error(), "it fails") {
		t.Errorf("the error is %v, want that it fails", err)
	}
	if err := Run(func(test.Failer) error { return errors.ErrUnsupported }); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("the error is %v, want that of the function", err)
	}
}

//go:noinline
func oneThatPanics(o *Object) error { return errors.New(o.Name) }
