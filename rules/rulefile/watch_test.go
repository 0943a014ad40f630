package rulefile

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/rules"
)

// TestPoll checks that polling alone applies each change once, and nothing else.
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

// TestEvents checks that events make changes known when polling would take an hour.
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

// TestRunKnows checks that what the caller has already read is not applied again, and that
// a change between Read and Run is not missed.
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

// TestSlowWriter checks that a file which is written in pieces is applied whole, although
// each piece is a valid file.
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

// TestRestless checks that a file that never comes to rest is reported once, and applied
// when it does.
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

// TestNoEvents checks that a machine without free inotify instances loses nothing but
// time, and says so once.
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

// TestEventsLater checks that events that fail at first are tried again, and come then.
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

// TestRunStops checks that Run returns at once when ctx ends, and applies nothing that has
// not settled.
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
		time.Sleep(time.Minute + debounce/2) // after a poll
		p.write(tagging("v2"))
		time.Sleep(DefaultInterval) // between the two looks of the next one
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
