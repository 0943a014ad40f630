package kube

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestHostileServer follows the rules of API servers that do what none should.
func TestHostileServer(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, watch http.HandlerFunc) *Watcher {
		t.Helper()
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("watch") {
				watch(w, r)
				return
			}
			fmt.Fprint(w, `{"metadata":{"resourceVersion":"1"},"items":[]}`)
		}))
		t.Cleanup(s.Close)
		w := &Watcher{
			Client:    newClient(s.URL, func() (string, error) { return "secret", nil }, nil),
			Reference: Reference{Namespace: "shop", Name: "rules"},
		}
		w.Read(t.Context())
		return w
	}

	t.Run("each watch ends at once", func(t *testing.T) {
		t.Parallel()
		var watches atomic.Int64
		w := start(t, func(http.ResponseWriter, *http.Request) { watches.Add(1) })
		follow(t, w)
		eventually(t, "a second watch", func() bool { return watches.Load() > 1 })
		time.Sleep(2 * time.Second) // what is asked meanwhile is counted
		if n := watches.Load(); n > 30 {
			t.Errorf("%d watches within some seconds, want a pause behind each", n)
		}
	})
	t.Run("an event does not end", func(t *testing.T) {
		t.Parallel()
		var sent atomic.Int64
		ended := make(chan struct{}, 100)
		w := start(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"type":"ADDED","object":{"data":{"rules.yaml":"`)
			for chunk := strings.Repeat("x", 1<<20); r.Context().Err() == nil && sent.Load() < 200<<20; sent.Add(1 << 20) {
				if _, err := fmt.Fprint(w, chunk); err != nil {
					break
				}
			}
			ended <- struct{}{}
		})
		follow(t, w)
		<-ended
		if n := sent.Load(); n > 100<<20 {
			t.Errorf("%d MiB of an event are read, want at most %d", n>>20, mostAnswer>>20)
		}
	})
	t.Run("a redirect", func(t *testing.T) {
		t.Parallel()
		var asked atomic.Int64
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
		t.Cleanup(other.Close)
		var watches atomic.Int64
		w := start(t, func(w http.ResponseWriter, r *http.Request) {
			watches.Add(1)
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
		})
		follow(t, w)
		eventually(t, "two redirects", func() bool { return watches.Load() > 1 })
		if asked.Load() > 0 {
			t.Error("the redirect is followed, with the token")
		}
	})
}
