package processor

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// rampRules is a file whose one user, jessie in bucket 16, is in from at on, and
// whose other user, vance in bucket 54, a day later.
func rampRules(at time.Time) string {
	return fmt.Sprintf(`
rules:
- name: lane
  header: x-user-id
  tagHeader: tag
  policies:
  - tagValue: s2
    ramp: [{at: %q, range: 20}, {at: %q, range: 100}]
`, at.Format(time.RFC3339Nano), at.Add(24*time.Hour).Format(time.RFC3339Nano))
}

// isTagged reports whether p gives a user a tag.
func isTagged(t *testing.T, p *Processor, user string) bool {
	t.Helper()
	reply, _ := p.NewStream().Reply(nil, marshal(t, headersRequest(rawHeaders("x-user-id", user))))
	return strings.Contains(string(reply), "s2")
}

// TestRampMoves checks that a step is in force from its nanosecond on, and that a
// table that is set meanwhile begins where its own ramps stand.
func TestRampMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		at := start.Add(90 * time.Minute)
		registry := prometheus.NewPedanticRegistry()
		p := New(Options{Metadata: true, Registerer: registry})
		p.SetTable(load(t, rampRules(at)))
		check := func(jessie, vance bool, since, next time.Time) {
			t.Helper()
			synctest.Wait()
			if isTagged(t, p, "jessie") != jessie || isTagged(t, p, "vance") != vance {
				t.Errorf("%v after the start: jessie is tagged: %v, vance: %v", time.Since(start), isTagged(t, p, "jessie"), isTagged(t, p, "vance"))
			}
			s, n, last := p.Step()
			if !s.Equal(since) || !n.Equal(next) {
				t.Errorf("%v after the start: the step is from %v to %v, want %v to %v", time.Since(start), s, n, since, next)
			}
			if none := since.IsZero() && next.IsZero(); none != last.IsZero() || !none && last.Before(next) {
				t.Errorf("%v after the start: the last step is at %v", time.Since(start), last)
			}
		}
		var beginning time.Time
		check(false, false, beginning, at)
		time.Sleep(90*time.Minute - 1)
		check(false, false, beginning, at)
		time.Sleep(time.Nanosecond)
		check(true, false, at, at.Add(24*time.Hour))
		if err := testutil.GatherAndCompare(registry, strings.NewReader(fmt.Sprintf(`
# HELP tagproc_ramp_step_timestamp_seconds Unix time at which the step of the rules' ramps that is in force began (current), at which the next one begins, and at which the last one does or did; 0: there is none.
# TYPE tagproc_ramp_step_timestamp_seconds gauge
tagproc_ramp_step_timestamp_seconds{step="current"} %d
tagproc_ramp_step_timestamp_seconds{step="last"} %d
tagproc_ramp_step_timestamp_seconds{step="next"} %[2]d
`, at.Unix(), at.Unix()+24*3600)), "tagproc_ramp_step_timestamp_seconds"); err != nil {
			t.Error(err)
		}
		reply, _ := p.NewStream().Reply(nil, marshal(t, headersRequest(rawHeaders("x-user-id", "jessie"))))
		if since := loggedBy(t, reply)["rulesSince"]; since != at.UTC().Format(time.RFC3339Nano) {
			t.Errorf("the metadata says rulesSince %v, want %v", since, at)
		}

		later := time.Now().Add(time.Hour)
		p.SetTable(load(t, rampRules(later))) // a reload during a step
		check(false, false, beginning, later)
		p.SetTable(load(t, rampRules(at)))
		check(true, false, at, at.Add(24*time.Hour))
		time.Sleep(24 * time.Hour)
		check(true, true, at.Add(24*time.Hour), beginning)
		time.Sleep(24 * time.Hour)
		check(true, true, at.Add(24*time.Hour), beginning)
		p.SetTable(nil)
		check(false, false, beginning, beginning)
	})
}

// TestRampFollowsClock checks that a clock that is set is followed within a second, in
// either direction, also behind the last step.
func TestRampFollowsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		var offset time.Duration
		p := New(Options{Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(offset)
		}})
		p.SetTable(load(t, rampRules(start.Add(time.Hour))))
		for _, tt := range []struct {
			offset        time.Duration
			jessie, vance bool
		}{{0, false, false}, {time.Hour, true, false}, {0, false, false}, {48 * time.Hour, true, true}, {2 * time.Hour, true, false}, {-time.Hour, false, false}} {
			mu.Lock()
			offset = tt.offset
			mu.Unlock()
			time.Sleep(maxStep)
			synctest.Wait()
			if isTagged(t, p, "jessie") != tt.jessie || isTagged(t, p, "vance") != tt.vance {
				t.Errorf("a second after the clock is set to %v: jessie is tagged: %v, vance: %v", tt.offset, !tt.jessie, !tt.vance)
			}
		}
		p.SetTable(nil)
	})
}

// TestRampUnderLoad checks that requests are answered with one step or the other while
// steps move.
func TestRampUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{})
		start := time.Now()
		p.SetTable(load(t, rampRules(start.Add(500*time.Microsecond))))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for time.Since(start) < time.Millisecond {
					in := isTagged(t, p, "jessie")
					if d := time.Since(start); in && d < 500*time.Microsecond || !in && d > 500*time.Microsecond {
						t.Errorf("%v after the start jessie is tagged: %v", d, in)
					}
					time.Sleep(time.Microsecond)
				}
			})
		}
		wg.Wait()
		p.SetTable(nil)
	})
}
