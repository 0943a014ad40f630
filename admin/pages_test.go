package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/state"
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

// TestReplicas checks what is said of other replicas, and that a brief state has no rules.
func TestReplicas(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.load(`rules: [{header: x, tagHeader: t, policies: [{range: 5, tagValue: v}]}]`)
	if w := b.ask(http.MethodGet, "/replicas", ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "--peers") {
		t.Errorf("without --peers: %d %s", w.Code, w.Body)
	}
	all := &state.Replicas{Summary: "1 of 2 has 58b3", Digest: "58b3", Replicas: []state.Peer{
		{Address: "10.0.0.1:9090", Answers: true, Digest: "58b3", Clock: "right", Differs: []string{}}, {Address: "10.0.0.2:9090", Differs: []string{"unreachable: no answer in time"}},
	}}
	b.replica.Peers = func() *state.Replicas { return all }
	var got *state.Replicas
	if err := json.Unmarshal(b.ask(http.MethodGet, "/replicas", "").Body.Bytes(), &got); err != nil || !cmp.Equal(got, all) {
		t.Errorf("/replicas: %v, %s", err, cmp.Diff(all, got))
	}
	if page := b.ask(http.MethodGet, "/explain", "").Body.String(); !strings.Contains(page, "Not all replicas agree: 1 of 2 has 58b3.") || !strings.Contains(page, "<title>! tagproc") {
		t.Error("the page does not say that replicas disagree")
	}
	s, err := state.Decode(b.ask(http.MethodGet, "/state?brief=1", "").Body.Bytes())
	if err != nil || len(s.Rules)+len(s.Requests)+len(s.Reloads) > 0 || s.Digest == "" {
		t.Errorf("a brief state: %v, %+v", err, s)
	}
}

// TestBriefIsBrief checks that a brief state costs little: what it leaves out is not made.
func TestBriefIsBrief(t *testing.T) {
	b := newBed(t)
	var src strings.Builder
	src.WriteString("rules:\n")
	for i := range 200 {
		fmt.Fprintf(&src, "- {name: r%d, header: x-user-id, tagHeader: x-%d, policies: [{range: 20, tagValue: s2}]}\n", i, i%30)
	}
	b.load(src.String())
	allocations := func(path string) float64 {
		return testing.AllocsPerRun(10, func() { b.ask(http.MethodGet, path, "") })
	}
	if brief, whole := allocations("/state?brief=1"), allocations("/state"); brief > whole/10 {
		t.Errorf("a brief state allocates %.0f times, a whole one %.0f", brief, whole)
	}
}
