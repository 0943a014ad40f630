package patience

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls Calls[int]
		got, err := calls.Call(t.Context(), func() int {
			time.Sleep(Limit - 1)
			return 7
		})
		if got != 7 || err != nil {
			t.Errorf("Call = %d, %v, want 7", got, err)
		}
	})
}

// TestHangs checks that calls are given up, that pauses between them double up to
// a minute, that no more than the limit of them hang, and that one that returns
// makes the next call due.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := 0
		calls := Calls[int]{Late: func(n int) { late += n }}
		release := make(chan struct{})
		began := []time.Time{}
		hang := func() int {
			<-release
			return 1
		}
		for len(began) < mostHanging {
			start := time.Now()
			if _, err := calls.Call(t.Context(), hang); !errors.Is(err, ErrHangs) {
				t.Fatalf("Call = %v, want ErrHangs", err)
			}
			if time.Since(start) == Limit {
				began = append(began, start)
			}
			time.Sleep(time.Second)
		}
		for i, want := range []float64{1, 2, 4, 8, 16, 32, 60, 60} {
			if got := (began[i+1].Sub(began[i]) - Limit).Seconds(); got != want {
				t.Errorf("pause %d = %v s, want %v s", i+1, got, want)
			}
		}
		time.Sleep(time.Hour)
		called := false
		if _, err := calls.Call(t.Context(), func() int { called = true; return 0 }); !errors.Is(err, ErrHangs) || called {
			t.Errorf("with %d calls that hang Call = %v, called %v", mostHanging, err, called)
		}
		release <- struct{}{}
		synctest.Wait()
		if got, err := calls.Call(t.Context(), func() int { return 7 }); got != 7 || err != nil {
			t.Errorf("after one has returned Call = %d, %v, want 7", got, err)
		}
		close(release)
		synctest.Wait()
		if late != mostHanging {
			t.Errorf("Late was given %d results, want %d", late, mostHanging)
		}
	})
}

// TestRetry checks that Retry does not wait for the pause.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls Calls[int]
		release := make(chan struct{})
		defer close(release)
		hang := func() int { <-release; return 0 }
		_, _ = calls.Call(t.Context(), hang)
		if _, err := calls.Call(t.Context(), func() int { return 7 }); !errors.Is(err, ErrHangs) {
			t.Errorf("in the pause Call = %v, want ErrHangs", err)
		}
		calls.Retry()
		if got, err := calls.Call(t.Context(), func() int { return 7 }); got != 7 || err != nil {
			t.Errorf("after Retry Call = %d, %v, want 7", got, err)
		}
	})
}

// TestCallEnds checks that Call does not outlast its context.
func TestCallEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls Calls[int]
		release := make(chan struct{})
		defer close(release)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("SIGTERM"))
		defer cancel()
		start := time.Now()
		_, err := calls.Call(ctx, func() int { <-release; return 0 })
		if time.Since(start) != time.Second || err == nil || err.Error() != "given up: SIGTERM" {
			t.Errorf("Call = %v after %v, want the cause after a second", err, time.Since(start))
		}
	})
}
