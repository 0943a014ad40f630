package rulefile

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/internal/patience"
	"github.com/tagproc/tagproc/internal/stuck"
)

// TestHang checks, on a file system that hangs, that a read is given up and
// reported once, that a file put in its place is live soon, and that Run ends
// while a read hangs.
func TestHang(t *testing.T) {
	t.Parallel()
	hangs := stuck.New(t)
	p := place{t, t.TempDir()}
	p.write(tagging("v1"))
	applied := follow(t, &Watcher{Path: p.file(), Interval: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}, Load{})
	applied.await(t, "v1")
	p.link(hangs.File)
	applied.await(t, "unreadable")
	if got := applied.all()[1].Problems[0].Message; got != hanging {
		t.Errorf("the problem is %q, want %q", got, hanging)
	}
	p.replace(tagging("v2"))
	applied.await(t, "v2")
	if diff := cmp.Diff([]string{"v1", "unreadable", "v2"}, applied.states()); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	p.link(hangs.File)
	applied.await(t, "unreadable") // and the test ends
}

// TestReadHangs checks that a first read ends when its context does.
func TestReadHangs(t *testing.T) {
	t.Parallel()
	hangs := stuck.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &Watcher{Path: hangs.File}
	l := w.Read(ctx)
	if state(l) != "unreadable" || l.Problems[0].Message != "given up: context canceled" {
		t.Errorf("Read = %s, %v, want it given up", state(l), l.Problems)
	}
}

// TestWake checks that a receive from Wake is a look at once, while the looks
// before hang too.
func TestWake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := place{t, dir}
		p.write(tagging("v1"))
		w := pollOnly(p)
		w.Interval = time.Hour
		wake := make(chan struct{})
		w.Wake = wake
		release := make(chan struct{})
		defer close(release)
		w.lookAt = func(path string) snapshot {
			if target, err := os.Readlink(path); err == nil && target == "hang" {
				<-release
			}
			return look(path)
		}
		applied := follow(t, w, Load{})
		synctest.Wait()
		time.Sleep(time.Second)
		p.write(tagging("v2"))
		wake <- struct{}{}
		time.Sleep(2 * debounce)
		if diff := cmp.Diff([]string{"v1", "v2"}, applied.states()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}

		// Once looks hang the next is not due for a while, unless somebody asks.
		p.link("hang")
		for range 6 {
			wake <- struct{}{}
			time.Sleep(patience.Limit + time.Second)
		}
		p.replace(tagging("v3"))
		wake <- struct{}{}
		time.Sleep(2 * debounce)
		if diff := cmp.Diff([]string{"v1", "v2", "unreadable", "v3"}, applied.states()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

// TestDirectoryHangs checks that a directory that cannot be watched, since its
// volume hangs, costs events alone, and that they come back.
func TestDirectoryHangs(t *testing.T) {
	t.Parallel()
	needEvents(t)
	p := place{t, t.TempDir()}
	var log journal
	h := newHints(p.dir, &log)
	h.adds.Late = watch.close
	defer h.close()
	release := make(chan struct{})
	h.open = func() (*fsnotify.Watcher, error) {
		<-release
		return fsnotify.NewWatcher()
	}
	h.renew(t.Context())
	if h.events() != nil || len(log.lines()) != 1 {
		t.Fatalf("a watch that hangs has events, or logged %q, want one line", log.lines())
	}
	close(release)
	await(t, "the directory is watched again", func() bool { h.renew(t.Context()); return h.events() != nil })
	p.write("")
	awaitEvent(t, h, p.file())
}
