package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestPprof checks that profiles are there where they were asked for, and nowhere
// else.
func TestPprof(t *testing.T) {
	for _, on := range []bool{false, true} {
		handler := Handler(prometheus.NewRegistry(), func() error { return nil }, Options{Pprof: on})
		want := 404
		if on {
			want = 200
		}
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/heap?debug=1", "/debug/pprof/goroutine?debug=1"} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
			if w.Code != want {
				t.Errorf("with pprof %v GET %s = %d, want %d", on, path, w.Code, want)
			}
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/", nil))
		if got := strings.Contains(w.Body.String(), "/debug/pprof/"); got != on {
			t.Errorf("with pprof %v GET / names it: %v\n%s", on, got, w.Body.String())
		}
	}
}
