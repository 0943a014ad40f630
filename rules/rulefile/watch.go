package rulefile

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/tagproc/tagproc/internal/patience"
	"github.com/tagproc/tagproc/rules"
)

// DefaultInterval is the default time between two polls of a Watcher.
const DefaultInterval = time.Second

// A Watcher follows a rules file. Its fields must not change while Run runs.
type Watcher struct {
	Path     string
	Options  rules.Options
	Interval time.Duration   // between two polls; 0 or less means DefaultInterval
	Wake     <-chan struct{} // makes Run look at the file at once; nil: only polls and events do
	Logger   *slog.Logger    // for what keeps changes from being seen; nil means slog.Default()

	openEvents func() (*fsnotify.Watcher, error) // nil: fsnotify.NewWatcher
	lookAt     func(path string) snapshot        // nil: look

	looks  patience.Calls[snapshot]
	warned bool // that the file is mounted alone
}

// Read loads the file once, as [Read] does. It gives up a read that hangs after
// [patience.Limit], or when ctx ends: the file then is unreadable. Do not call it while
// Run runs.
func (w *Watcher) Read(ctx context.Context) Load {
	return w.look(ctx).load(w.Path, w.Options)
}

// look looks at the file, and warns of a mount that hides its changes.
func (w *Watcher) look(ctx context.Context) snapshot {
	at := w.lookAt
	if at == nil {
		at = look
	}
	s, err := w.looks.Call(ctx, func() snapshot { return at(w.Path) })
	switch {
	case errors.Is(err, patience.ErrHangs):
		return failed(hanging)
	case err != nil:
		return failed(err.Error())
	}
	if s.failure == "" {
		if s.mount == alone && !w.warned {
			w.logger().Warn(aloneWarning, "file", w.Path)
		}
		w.warned = s.mount != ordinary
	}
	return s
}

func (w *Watcher) logger() *slog.Logger { return cmp.Or(w.Logger, slog.Default()) }

// Run follows the file until ctx ends. It calls apply once for each new state of
// the file, good or bad, and not again while the file stays as it is. The old
// rules coming back after a bad file are a new state: the failure has ended.
//
// The last Load is what the caller already knows, from [Read]. With the zero Load, Run
// reports the first state that it finds.
//
// Calls of apply come one after another, from the goroutine of Run, which looks
// at the file no further until apply returns.
func (w *Watcher) Run(ctx context.Context, last Load, apply func(Load)) {
	h := &hints{
		dir:    filepath.Dir(w.Path),
		open:   w.openEvents,
		logger: w.logger(),
	}
	if h.open == nil {
		h.open = fsnotify.NewWatcher
	}
	h.adds.Late = watch.close
	defer h.close()

	interval := w.Interval
	if interval <= 0 {
		interval = DefaultInterval
	}
	poll := time.NewTicker(interval)
	defer poll.Stop()

	known := last.version
	h.renew(ctx)
	for {
		now, ok := settle(known,
			func() snapshot {
				if s := w.look(ctx); s.mount != nameless {
					return s
				}
				return failed(namelessFailure)
			},
			func() bool { return h.rest(ctx, debounce) })
		if !ok {
			return
		}
		if now.version != known {
			known = now.version
			apply(now.load(w.Path, w.Options))
		}
		switch h.wait(ctx, poll.C, w.Wake) {
		case ended:
			return
		case woken:
			w.looks.Retry()
		}
	}
}
