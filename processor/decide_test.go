package processor

import (
	"fmt"
	"strings"
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// TestMayMatter checks that the filter keeps no name away that matters, and most
// of a browser's names that do not.
func TestMayMatter(t *testing.T) {
	t.Parallel()
	long, longPrefix := strings.Repeat("l", 200), "p-"+strings.Repeat("p", 70)
	p := newPlan(load(t, `
tagHeaders: {headers: [x-asm-prefer-tag, `+long+`], headerPrefixes: [appver, `+longPrefix+`]}
rules: [{header: x-user-id, tagHeader: appver-a, policies: [{range: 1, tagValue: v2}]}]
`), Limits{}.withDefaults(), false, newMetrics(nil), nil)
	for _, name := range []string{
		"x-user-id", "x-asm-prefer-tag", "appver-a", "appver", "appver-zz", "appver" + long, "appver" + long[:58], long, longPrefix, longPrefix + "-more",
	} {
		if !p.mayMatter([]byte(name)) {
			t.Errorf("mayMatter(%q) = false, want true", name)
		}
	}
	for _, name := range []string{"", "x-user-i", "x-user-idd", "appve", "bppver-a"} {
		if p.mayMatter([]byte(name)) {
			t.Errorf("mayMatter(%q) = true, want false", name)
		}
	}
	passed := 0
	for _, h := range pairs(browserHeaders()) {
		if p.mayMatter([]byte(h[0])) {
			passed++
		}
	}
	if passed > 4 {
		t.Errorf("mayMatter lets %d of a browser's 20 names through; one matters", passed)
	}
}

// TestScratchIsReused allows for what sync.Pool forgets at will.
func TestScratchIsReused(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, walkthrough))
	pl, made := p.plan.Load(), 0
	pl.scratch.New = func() any { made++; return newScratch(pl) }
	msg := benchmarkRequests(t)["hit"]
	const requests = 1000
	for range requests {
		p.NewStream().Reply(nil, msg)
	}
	if made > requests/2 {
		t.Errorf("%d requests one after the other take %d scratches", requests, made)
	}
}

// TestScratchForgets checks that nothing of a request is kept in memory once it
// is answered.
func TestScratchForgets(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, "propagation: {headerPrefixes: [appver]}"+walkthrough))
	pl := p.plan.Load()
	s := newScratch(pl)
	body := &extprocv3.HttpBody{Body: []byte("body")}
	user := marshal(t, headersRequest(rawHeaders("x-user-id", "jessie", "appver-a", "1", "appver-z", "2", "baggage", "a=1")))
	for _, msg := range [][]byte{
		user,
		append(user, marshal(t, requestBodyRequest(body))...), // which discards the headers
		marshal(t, requestBodyRequest(body)),
		user[:len(user)-1],
	} {
		p.NewStream().answer(nil, msg, pl, s)
		s.reset()
		for _, h := range s.request.headers[:cap(s.request.headers)] {
			if h.key != nil || h.value != nil {
				t.Errorf("after %q a header is kept: %q", msg, h.key)
			}
		}
		for _, o := range s.owned {
			if o.value != nil {
				t.Errorf("after %q an owned header is kept: %q", msg, o.value)
			}
		}
		for _, stray := range s.strays[:cap(s.strays)] {
			if stray.name != nil {
				t.Errorf("after %q a stray is kept: %q", msg, stray.name)
			}
		}
		if s.baggage.seen != 0 || s.baggage.size != 0 || s.baggage.rewriter.Writes() {
			t.Errorf("after %q baggage is kept: %+v", msg, s.baggage)
		}
		if s.request.chunk.body != nil || s.keys.Key(0) != nil {
			t.Errorf("after %q a body or key is kept", msg)
		}
	}
}

// TestLargeScratchGoes checks that the memory of one large request is not kept.
func TestLargeScratchGoes(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, "propagation: {headerPrefixes: [appver]}"+walkthrough))
	for _, tt := range []struct {
		headers, members int
		large            bool
	}{{20, 1000, false}, {20, 25_000, true}, {150, 1, false}} {
		s := newScratch(p.plan.Load())
		headers := pairs([]string{"x-user-id", "bob", "baggage", strings.Repeat("a=1,", tt.members)})
		for i := range tt.headers {
			headers = append(headers, [2]string{fmt.Sprintf("appver-%d", i), "forged"})
		}
		p.NewStream().answer(nil, encodeHeaders(headers, false), p.plan.Load(), s)
		if got := s.room() > maxScratch; got != tt.large {
			t.Errorf("after %d headers and %d members a scratch keeps %d bytes; above %d: %v, want %v", tt.headers, tt.members, s.room(), maxScratch, got, tt.large)
		}
	}
}
