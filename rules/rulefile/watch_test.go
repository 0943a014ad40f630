package rulefile

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/rules"
)

// A step changes the file, and says the state that must be applied then; ""
// for none.
type step struct {
	do   func(p place)
	want string
}

// The ways in which a rules file changes.
var changes = []struct {
	name  string
	steps []step
	polls bool // found by polling only
}{
	{
		name: "written in place",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.write(tagging("v2")) }, "v2"},
			{func(p place) { p.write(tagging("v2")) }, ""},
			{func(p place) { p.write(tagging("v3")) }, "v3"},
		},
	},
	{
		name: "renamed over",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.replace(tagging("v2")) }, "v2"},
			{func(p place) { p.replace(tagging("v2")) }, ""},
			{func(p place) { p.replace(tagging("v3")) }, "v3"},
		},
	},
	{
		name: "an editor that keeps a backup",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) {
				p.must(os.Rename(p.file(), p.path("rules.yaml~")))
				p.write(tagging("v2"))
			}, "v2"},
			{func(p place) { p.must(os.Rename(p.path("rules.yaml~"), p.file())) }, "v1"},
		},
	},
	{
		name: "ConfigMap",
		steps: []step{
			{func(p place) { p.mount("..2026_a", tagging("v1")) }, "v1"},
			{func(p place) { p.mount("..2026_b", tagging("v2")) }, "v2"},
			{func(p place) { p.mount("..2026_c", tagging("v2")) }, ""},
			{func(p place) { p.mount("..2026_d", tagging("v3")) }, "v3"},
		},
	},
	{
		name: "deleted and back",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.remove() }, "unreadable"},
			{func(p place) { p.replace(tagging("v1")) }, "v1"},
		},
	},
	{
		name: "missing at first",
		steps: []step{
			{func(place) {}, "unreadable"},
			{func(p place) { p.write(tagging("v1")) }, "v1"},
		},
	},
	{
		name: "emptied",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.write("") }, "empty-file"},
			{func(p place) { p.write(tagging("v1")) }, "v1"},
		},
	},
	{
		name: "too large",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.write(strings.Repeat("# filler\n", 2<<20/9)) }, "too-large"},
			{func(p place) { p.write(tagging("v2")) }, "v2"},
		},
	},
	{
		name: "binary",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.write("\x7fELF\x02\x01\x01\x00\xff\xfe") }, "encoding"},
			{func(p place) { p.write(tagging("v2")) }, "v2"},
		},
	},
	{
		name: "a directory in its place",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) {
				p.remove()
				p.must(os.Mkdir(p.file(), 0o755))
			}, "unreadable"},
			{func(p place) {
				p.remove()
				p.write(tagging("v1"))
			}, "v1"},
		},
	},
	{
		name: "a dangling link in its place",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.link("later.yaml") }, "unreadable"},
			{func(p place) { p.must(os.WriteFile(p.path("later.yaml"), []byte(tagging("v2")), 0o644)) }, "v2"},
		},
	},
	{
		name: "broken, fixed",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.write("rules: [") }, "yaml-syntax"},
			{func(p place) { p.write("rules: [") }, ""},
			{func(p place) { p.write("roles: []") }, "unknown-key"},
			{func(p place) { p.write(tagging("v2")) }, "v2"},
		},
	},
	{
		name: "broken, put back",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.write("rules: [") }, "yaml-syntax"},
			{func(p place) { p.write(tagging("v1")) }, "v1"},
		},
	},
	{
		name:  "the directory deleted and made again",
		polls: true,
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.must(os.RemoveAll(p.dir)) }, "unreadable"},
			{func(p place) {
				p.must(os.Mkdir(p.dir, 0o755))
				p.write(tagging("v1"))
			}, "v1"},
		},
	},
	{
		name:  "a link to a file elsewhere",
		polls: true,
		steps: []step{
			{func(p place) {
				p.must(os.Mkdir(p.path("real"), 0o755))
				p.must(os.WriteFile(p.path("real/r.yaml"), []byte(tagging("v1")), 0o644))
				p.link("real/r.yaml")
			}, "v1"},
			{func(p place) { p.must(os.WriteFile(p.path("real/r.yaml"), []byte(tagging("v2")), 0o644)) }, "v2"},
		},
	},
}

// By polling alone each change is applied once, and nothing else ever is.
func TestPoll(t *testing.T) {
	t.Parallel()
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				p := place{t, dir}
				tt.steps[0].do(p)
				applied := follow(t, pollOnly(p), Load{})
				var want []string
				for i, s := range tt.steps {
					if i > 0 {
						s.do(p)
					}
					if s.want != "" {
						want = append(want, s.want)
					}
					time.Sleep(10 * time.Second)
					if diff := cmp.Diff(want, applied.states()); diff != "" {
						t.Fatalf("applied after step %d (-want +got):\n%s", i+1, diff)
					}
				}
			})
		})
	}
}

// Events make changes known when polling would take an hour.
func TestEvents(t *testing.T) {
	t.Parallel()
	needEvents(t)
	for _, tt := range changes {
		if tt.polls {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := place{t, t.TempDir()}
			tt.steps[0].do(p)
			applied := follow(t, &Watcher{Path: p.file(), Interval: time.Hour}, Load{})
			for i, s := range tt.steps {
				if i > 0 {
					s.do(p)
				}
				if s.want != "" {
					applied.await(t, s.want)
				}
			}
		})
	}
}

// What the caller has read already is not applied again, and a change between
// Read and Run is not missed.
func TestRunKnows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before string // what Read sees
		after  string // what Run finds
		want   []string
	}{
		{"good and the same", tagging("v1"), tagging("v1"), nil},
		{"good and changed", tagging("v1"), tagging("v2"), []string{"v2"}},
		{"good and broken", tagging("v1"), "", []string{"empty-file"}},
		{"broken and the same", "", "", nil},
		{"broken and fixed", "", tagging("v1"), []string{"v1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				p := place{t, dir}
				p.write(tt.before)
				last := Read(p.file(), rules.Options{})
				p.write(tt.after)
				applied := follow(t, pollOnly(p), last)
				time.Sleep(10 * time.Second)
				if diff := cmp.Diff(tt.want, applied.states()); diff != "" {
					t.Errorf("applied (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A file written in pieces, each of which is valid and wrong, is applied whole.
func TestSlowWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := place{t, dir}
		p.write(tagging("v1"))
		applied := follow(t, pollOnly(p), Load{})
		time.Sleep(10 * time.Second)
		for range 20 {
			p.write("")
			for content := "rules: []\n#"; len(content) < 40; content += "#" {
				time.Sleep(debounce * 2 / 3)
				p.write(content)
			}
			time.Sleep(debounce / 3)
			p.write(tagging("v2"))
			time.Sleep(2 * time.Second)
			p.write(tagging("v1"))
			time.Sleep(2 * time.Second)
		}
		want := slices.Concat([]string{"v1"}, slices.Repeat([]string{"v2", "v1"}, 20))
		if diff := cmp.Diff(want, applied.states()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

// A file that never comes to rest is reported, once, and applied when it does.
func TestRestless(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := place{t, dir}
		p.write(tagging("v1"))
		applied := follow(t, pollOnly(p), Load{})
		time.Sleep(10*time.Second + debounce/5) // writes are never at the moment of a look
		for i := range 1000 {
			p.write("rules: []\n" + strings.Repeat("#", i))
			time.Sleep(debounce / 2)
		}
		p.write(tagging("v2"))
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"v1", "unreadable", "v2"}, applied.states()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

func TestRapidRewrites(t *testing.T) {
	t.Parallel()
	p := place{t, t.TempDir()}
	p.write(tagging("v0"))
	applied := follow(t, &Watcher{Path: p.file(), Interval: 10 * time.Millisecond}, Load{})
	applied.await(t, "v0")
	for range 500 {
		p.write(tagging("v1"))
		p.replace(tagging("v2"))
	}
	p.write(tagging("last"))
	applied.await(t, "last")
}

// A machine without free inotify instances loses nothing but time, and says so
// once.
func TestNoEvents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := place{t, dir}
		p.write(tagging("v1"))
		w := pollOnly(p)
		var log journal
		w.Logger = slog.New(slog.NewTextHandler(&log, nil))
		applied := follow(t, w, Load{})
		time.Sleep(time.Minute)
		p.write(tagging("v2"))
		time.Sleep(DefaultInterval + 2*debounce)
		if diff := cmp.Diff([]string{"v1", "v2"}, applied.states()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
		if got := log.lines(); len(got) != 1 || !strings.Contains(got[0], "level=WARN") || !strings.Contains(got[0], "no instance is left") {
			t.Errorf("logged %q, want one warning that no instance is left", got)
		}
	})
}

// Events that fail at first are tried again, and then come.
func TestEventsLater(t *testing.T) {
	t.Parallel()
	needEvents(t)
	p := place{t, t.TempDir()}
	p.write(tagging("v1"))
	var log journal
	failures := 3
	applied := follow(t, &Watcher{
		Path:     p.file(),
		Interval: 10 * time.Millisecond,
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
		openEvents: func() (*fsnotify.Watcher, error) {
			if failures--; failures >= 0 {
				return nil, errNoInstances
			}
			return fsnotify.NewWatcher()
		},
	}, Load{})
	applied.await(t, "v1")
	await(t, "the watch is back", func() bool { return len(log.lines()) == 2 })
	if got := log.lines(); !strings.Contains(got[0], "level=WARN") || !strings.Contains(got[1], "level=INFO") {
		t.Errorf("logged %q, want a warning and then its end", got)
	}
}

// Nothing is applied after ctx has ended, though the file changed.
func TestRunStops(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := place{t, dir}
		p.write(tagging("v1"))
		ctx, cancel := context.WithCancel(t.Context())
		var applied applied
		done := make(chan struct{})
		go func() {
			defer close(done)
			pollOnly(p).Run(ctx, Load{}, applied.apply)
		}()
		time.Sleep(time.Minute)
		p.write(tagging("v2"))
		time.Sleep(DefaultInterval) // in the middle of settling
		cancel()
		synctest.Wait()
		select {
		case <-done:
		default:
			t.Fatal("Run did not return when ctx ended")
		}
		if diff := cmp.Diff([]string{"v1"}, applied.states()); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}

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
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) lines() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.FieldsFunc(j.text.String(), func(r rune) bool { return r == '\n' })
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
