package cluster

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Fails runs body as a test of its own, with its cleanups, which has to fail: with a
// deliberate mistake in what it applies. It returns what that test said, and fails t
// if body passes.
func Fails(t testing.TB, body func(t testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	r.run(func() { body(r) })
	for {
		r.mu.Lock()
		n := len(r.cleanups)
		if n == 0 {
			r.mu.Unlock()
			break
		}
		cleanup := r.cleanups[n-1]
		r.cleanups = slices.Delete(r.cleanups, n-1, n)
		r.mu.Unlock()
		r.run(cleanup)
	}
	said := strings.Join(r.said, "\n")
	if !r.failed {
		t.Errorf("with the mistake it passed, and should have failed\n%s", said)
	}
	return said
}

// A recorder is a test that fails without its parent failing.
type recorder struct {
	testing.TB

	mu       sync.Mutex
	failed   bool
	said     []string
	cleanups []func()
}

// run calls f on a goroutine of its own, which FailNow ends.
func (r *recorder) run(f func()) {
	var wg sync.WaitGroup
	wg.Go(f)
	wg.Wait()
}

func (r *recorder) say(failed bool, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, text)
	r.failed = r.failed || failed
}

func (r *recorder) Helper()                         {}
func (r *recorder) Log(args ...any)                 {} // logs of pods; the failure is what matters
func (r *recorder) Logf(format string, args ...any) {}
func (r *recorder) Error(args ...any)               { r.say(true, fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) {
	r.say(true, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fail() { r.Error("failed") }

func (r *recorder) FailNow() { r.Fatal("failed") }

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}
