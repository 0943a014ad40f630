package rulefile

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/tagproc/tagproc/internal/transcript"
)

var errNoInstances = errors.New("no instance is left")

// pollOnly returns a watcher without events, which works in a synctest bubble.
func pollOnly(p place) *Watcher {
	return &Watcher{
		Path:       p.file(),
		Logger:     slog.New(slog.DiscardHandler),
		openEvents: func() (*fsnotify.Watcher, error) { return nil, errNoInstances },
	}
}

// follow runs w until the test ends.
func follow(t tb, w *Watcher, last Load) *applied {
	t.Helper()
	a := new(applied)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx, last, a.apply)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return a
}

// applied are the loads that a watcher applied, in order.
type applied struct {
	mu    sync.Mutex
	loads []Load
	next  int // where await goes on
}

func (a *applied) apply(l Load) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.loads = append(a.loads, l)
}

func (a *applied) all() []Load {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.loads)
}

func (a *applied) states() []string {
	var states []string
	for _, l := range a.all() {
		states = append(states, state(l))
	}
	return states
}

// await waits until want is applied. A slow machine may apply others before: a
// truncated file, for one, if the writer is held up in the middle.
func (a *applied) await(t tb, want string) {
	t.Helper()
	await(t, "applied "+want, func() bool {
		states := a.states()
		i := slices.Index(states[a.next:], want)
		if i < 0 {
			return false
		}
		a.next += i + 1
		return true
	})
}

// journal is a log to read from while it is written.
type journal struct{ transcript.Transcript }

func (j *journal) lines() []string {
	return strings.FieldsFunc(j.String(), func(r rune) bool { return r == '\n' })
}

// await waits for a condition.
func await(t tb, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s in vain: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// needEvents skips the test where files do not make events.
func needEvents(t *testing.T) {
	t.Helper()
	w, err := fsnotify.NewWatcher()
	if err != nil {
		t.Skipf("no file events on this machine: %v", err)
	}
	defer w.Close()
	p := place{t, t.TempDir()}
	if err := w.Add(p.dir); err != nil {
		t.Skipf("no file events on this machine: %v", err)
	}
	p.write("")
	select {
	case <-w.Events:
	case err := <-w.Errors:
		t.Skipf("no file events on this machine: %v", err)
	case <-time.After(30 * time.Second):
		t.Skipf("no file events in %s", p.dir)
	}
}
