package rulefile

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/tagproc/tagproc/internal/patience"
)

// hints are the events of one directory. Each says only that the file may have changed;
// without them a change is seen at the next poll.
type hints struct {
	dir    string
	open   func() (*fsnotify.Watcher, error)
	logger *slog.Logger

	adds    patience.Calls[watch]
	watcher *fsnotify.Watcher // nil: none could be opened
	lost    bool              // the loss is logged, and the watch has not come back
}

// A watch is the result of watching the directory.
type watch struct {
	watcher *fsnotify.Watcher // nil: none could be opened
	err     error
}

func (w watch) close() {
	if w.watcher != nil {
		_ = w.watcher.Close() // nothing was written, so nothing is lost
	}
}

// renew makes sure that the directory that is now at dir is watched. A watch
// belongs to a directory, not to its path, and is dead or misplaced when the
// directory was deleted, moved or reached through a link that changed, so it is
// replaced each time. The caller looks at the file afterwards, and so misses
// nothing that happened in between.
//
// The directory may be on a volume that hangs. Then the watcher is lost with the call
// that hangs, and there is no watcher until a later call returns.
func (h *hints) renew(ctx context.Context) {
	w := h.watcher
	h.watcher = nil
	added, err := h.adds.Call(ctx, func() watch { return h.add(w) })
	h.watcher = added.watcher
	if err = cmp.Or(err, added.err); err != nil {
		h.missing(err)
		return
	}
	if h.lost {
		h.lost = false
		h.logger.Info("the directory of the rules file is watched again", "dir", h.dir)
	}
}

// add watches the directory with w, or with a new watcher if that is nil.
func (h *hints) add(w *fsnotify.Watcher) watch {
	if w == nil {
		var err error
		if w, err = h.open(); err != nil {
			return watch{err: err}
		}
	}
	_ = w.Remove(h.dir) // fails if nothing is left to remove
	return watch{w, w.Add(h.dir)}
}

// missing logs the beginning of a time without events.
func (h *hints) missing(err error) {
	if !h.lost {
		h.lost = true
		h.logger.Warn("cannot watch the directory of the rules file: changes are found by polling only", "dir", h.dir, "error", err)
	}
}

// events delivers the hints. Its channel is nil while there are none.
func (h *hints) events() <-chan fsnotify.Event {
	if h.watcher == nil {
		return nil
	}
	return h.watcher.Events
}

// errors delivers the errors to pass to broken.
func (h *hints) errors() <-chan error {
	if h.watcher == nil {
		return nil
	}
	return h.watcher.Errors
}

// broken gives up the watch after an error, until the next renew. Events that
// the kernel dropped do no harm: the look that follows sees the changes.
func (h *hints) broken(err error) {
	if errors.Is(err, fsnotify.ErrEventOverflow) {
		return
	}
	h.close()
	h.missing(err)
}

// A reason is why wait returns.
type reason int

const (
	ended reason = iota // ctx has ended
	due                 // the file is worth a look
	woken               // somebody asks for a look
)

// wait returns when it is time to look at the file, or ctx has ended.
func (h *hints) wait(ctx context.Context, poll <-chan time.Time, wake <-chan struct{}) reason {
	select {
	case <-ctx.Done():
		return ended
	case <-poll:
		h.renew(ctx)
	case <-wake:
		h.adds.Retry()
		h.renew(ctx)
		return woken
	case <-h.events():
		// One change makes several events.
		if !h.rest(ctx, debounce) {
			return ended
		}
	case err := <-h.errors():
		h.broken(err)
	}
	return due
}

// rest waits for d, or returns false when ctx has ended. It discards the events
// that arrive meanwhile, since the next look sees the changes.
func (h *hints) rest(ctx context.Context, d time.Duration) bool {
	end := time.After(d)
	for {
		select {
		case <-ctx.Done():
			return false
		case <-end:
			return true
		case <-h.events():
		case err := <-h.errors():
			h.broken(err)
		}
	}
}

// close ends the watch and waits for its goroutine.
func (h *hints) close() {
	watch{watcher: h.watcher}.close()
	h.watcher = nil
}
