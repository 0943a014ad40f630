package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkPage measures the page and a "What if?" of rules in use. Ten open pages ask for
// two pages each second: they take 1% of a core at 5 ms a page.
func BenchmarkPage(b *testing.B) {
	for _, rules := range []int{1, 200} {
		var src strings.Builder
		src.WriteString("rules:\n")
		for i := range rules {
			fmt.Fprintf(&src, "- {name: r%d, header: x-user-id, tagHeader: x-%d, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}\n", i, i%30)
		}
		bed := newBed(b)
		bed.load(src.String())
		for i := range 1000 {
			bed.send(fmt.Sprint(i))
		}
		for name, target := range map[string]string{"page": "/", "whatif": "/whatif?of=r0%09s2&share=30%25"} {
			b.Run(fmt.Sprintf("%s/rules=%d", name, rules), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					request := httptest.NewRequest(http.MethodGet, "http://localhost"+target, nil)
					request.Header.Set("Accept", "text/html")
					w := httptest.NewRecorder()
					if bed.handler.ServeHTTP(w, request); w.Code != http.StatusOK {
						b.Fatalf("%d: %s", w.Code, w.Body)
					}
				}
			})
		}
	}
}

// TestDrawnOnce checks that a page which is asked for again is drawn again only after some
// time, or when rules or readiness change.
func TestDrawnOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.load(supposed)
	notReady := error(nil)
	b.replica.Ready = func() error { return notReady }
	first := b.replica.latest()
	if again := b.replica.latest(); &again[0] != &first[0] {
		t.Error("a page is drawn twice at once")
	}
	for what, change := range map[string]func(){
		"a load":    func() { b.load(ramped) },
		"a refusal": func() { b.load("rules: 1") },
		"readiness": func() { notReady = errors.New("draining") },
		"time":      func() { b.replica.drawn.at = b.replica.drawn.at.Add(-2 * drawnFor) },
	} {
		before := b.replica.latest()
		change()
		if after := b.replica.latest(); &after[0] == &before[0] {
			t.Errorf("after %s the page is the one before", what)
		}
	}
}
