package rulefile

import (
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// TestHintsRenew checks that the watch follows the path, not the directory that it once
// led to.
func TestHintsRenew(t *testing.T) {
	t.Parallel()
	needEvents(t)
	tests := []struct {
		name   string
		change func(p place) // makes the path dir lead to another directory
	}{
		{"unchanged", func(place) {}},
		{"deleted and made again", func(p place) {
			p.must(os.RemoveAll(p.path("dir")))
			p.must(os.Mkdir(p.path("dir"), 0o755))
		}},
		{"moved away and made again", func(p place) {
			p.must(os.Rename(p.path("dir"), p.path("old")))
			p.must(os.Mkdir(p.path("dir"), 0o755))
		}},
		{"a link swapped", func(p place) {
			p.must(os.Rename(p.path("dir"), p.path("old")))
			p.must(os.Mkdir(p.path("other"), 0o755))
			p.must(os.Symlink("other", p.path("dir")))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := place{t, t.TempDir()}
			p.must(os.Mkdir(p.path("dir"), 0o755))
			var log journal
			h := newHints(p.path("dir"), &log)
			defer h.close()
			h.renew(t.Context())
			tt.change(p)
			h.renew(t.Context())

			name := p.path("dir", "rules.yaml")
			p.must(os.WriteFile(name, nil, 0o644))
			awaitEvent(t, h, name)
			if got := log.lines(); len(got) > 0 {
				t.Errorf("logged %q, want nothing", got)
			}
		})
	}
}

// TestHintsLost checks that each loss is logged when it begins and when it ends.
func TestHintsLost(t *testing.T) {
	t.Parallel()
	needEvents(t)
	p := place{t, t.TempDir()}
	var log journal
	h := newHints(p.path("dir"), &log)
	defer h.close()
	lines := func(want int, when string) {
		t.Helper()
		if got := log.lines(); len(got) != want {
			t.Fatalf("%s: logged %q, want %d lines", when, got, want)
		}
	}
	for i := range 3 {
		h.renew(t.Context())
		h.renew(t.Context())
		lines(2*i+1, "without the directory")
		p.must(os.Mkdir(h.dir, 0o755))
		h.renew(t.Context())
		h.renew(t.Context())
		lines(2*i+2, "with it")
		p.must(os.Remove(h.dir))
	}
}

// TestHintsBroken checks that an error of the watch costs its events until the next poll,
// and that dropped events cost nothing.
func TestHintsBroken(t *testing.T) {
	t.Parallel()
	needEvents(t)
	p := place{t, t.TempDir()}
	var log journal
	h := newHints(p.dir, &log)
	defer h.close()
	h.renew(t.Context())

	h.broken(fsnotify.ErrEventOverflow)
	if h.events() == nil || len(log.lines()) != 0 {
		t.Fatalf("dropped events ended the watch; logged %q", log.lines())
	}

	h.broken(errors.New("short read"))
	if h.events() != nil || h.errors() != nil || len(log.lines()) != 1 {
		t.Fatalf("a broken watch goes on; logged %q", log.lines())
	}

	h.renew(t.Context())
	p.write("")
	awaitEvent(t, h, p.file())
	if len(log.lines()) != 2 {
		t.Errorf("logged %q, want the loss and its end", log.lines())
	}
}

func newHints(dir string, log *journal) *hints {
	return &hints{dir: dir, open: fsnotify.NewWatcher, logger: slog.New(slog.NewTextHandler(log, nil))}
}

// awaitEvent waits for an event of the named file.
func awaitEvent(t *testing.T, h *hints, name string) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case e := <-h.events():
			if e.Name == name {
				return
			}
		case err := <-h.errors():
			t.Fatal(err)
		case <-timeout:
			t.Fatalf("waited 30 s in vain for an event of %s", name)
		}
	}
}
