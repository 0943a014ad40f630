package rulefile

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

// hints are the events of one directory. Each says only that a look at the file
// may be worth it; having none costs no more than the time until the next poll.
type hints struct {
	dir    string
	open   func() (*fsnotify.Watcher, error)
	logger *slog.Logger

	watcher *fsnotify.Watcher // nil: none could be opened
	lost    bool              // the loss was logged, and nothing came back since
}

// renew makes sure that the directory that is now at dir is watched. A watch
// belongs to a directory, not to its path, and is dead or misplaced when the
// directory was deleted, moved or reached through a link that changed, so it is
// replaced each time. The caller looks at the file afterwards, and so misses
// nothing that happened in between.
func (h *hints) renew() {
	if h.watcher == nil {
		w, err := h.open()
		if err != nil {
			h.missing(err)
			return
		}
		h.watcher = w
	}
	_ = h.watcher.Remove(h.dir) // fails where nothing is left to remove
	if err := h.watcher.Add(h.dir); err != nil {
		h.missing(err)
		return
	}
	if h.lost {
		h.lost = false
		h.logger.Info("the directory of the rules file is watched again", "dir", h.dir)
	}
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

// errors delivers what has to be given to broken.
func (h *hints) errors() <-chan error {
	if h.watcher == nil {
		return nil
	}
	return h.watcher.Errors
}

// broken gives up the watch after an error, until the next renew. Events that
// the kernel dropped are no loss: the look that follows sees what they told of.
func (h *hints) broken(err error) {
	if errors.Is(err, fsnotify.ErrEventOverflow) {
		return
	}
	h.close()
	h.missing(err)
}

// wait returns when the file is worth a look, or false when ctx has ended.
func (h *hints) wait(ctx context.Context, poll <-chan time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-poll:
		h.renew()
	case <-h.events():
		// One change makes several events.
		return h.rest(ctx, debounce)
	case err := <-h.errors():
		h.broken(err)
	}
	return true
}

// rest waits for d, or returns false when ctx has ended. It discards the events
// that arrive meanwhile, for the next look sees what they tell of.
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
	if h.watcher != nil {
		_ = h.watcher.Close() // nothing is written: there is nothing to lose
		h.watcher = nil
	}
}
