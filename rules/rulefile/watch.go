package rulefile

import (
	"cmp"
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/tagproc/tagproc/rules"
)

// DefaultInterval is the time between two polls of a Watcher that says nothing else.
const DefaultInterval = time.Second

// A Watcher follows a rules file. Its fields must not change while Run runs.
type Watcher struct {
	Path     string
	Options  rules.Options
	Interval time.Duration // between two polls; 0 or less means DefaultInterval
	Logger   *slog.Logger  // hears whether the directory can be watched; nil means slog.Default()

	openEvents func() (*fsnotify.Watcher, error) // nil: fsnotify.NewWatcher
}

// Run follows the file until ctx ends. It calls apply once for each new state of
// the file, good or bad, and not again while the file stays as it is. The old
// rules coming back after a bad file are a new state: the failure has ended.
//
// The last Load is what the caller already knows, from [Read]; the zero Load
// has Run report the state that it finds first.
//
// Calls of apply come one after another, from the goroutine of Run, which looks
// at the file no further until apply returns.
func (w *Watcher) Run(ctx context.Context, last Load, apply func(Load)) {
	h := &hints{
		dir:    filepath.Dir(w.Path),
		open:   w.openEvents,
		logger: cmp.Or(w.Logger, slog.Default()),
	}
	if h.open == nil {
		h.open = fsnotify.NewWatcher
	}
	defer h.close()

	interval := w.Interval
	if interval <= 0 {
		interval = DefaultInterval
	}
	poll := time.NewTicker(interval)
	defer poll.Stop()

	known := last.version
	h.renew()
	for {
		now, ok := settle(known,
			func() snapshot { return look(w.Path) },
			func() bool { return h.rest(ctx, debounce) })
		if !ok {
			return
		}
		if now.version != known {
			known = now.version
			apply(now.load(w.Path, w.Options))
		}
		if !h.wait(ctx, poll.C) {
			return
		}
	}
}
