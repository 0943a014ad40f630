package processor

import (
	"strings"
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

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

// TestScratchForgets holds that nothing of a request is kept in memory once it
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

// TestLargeScratchGoes holds that the memory of one large request is not kept.
func TestLargeScratchGoes(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, "propagation: {headerPrefixes: [appver]}"+walkthrough))
	s := newScratch(p.plan.Load())
	for _, tt := range []struct {
		members int
		large   bool
	}{{1000, false}, {100_000, true}} {
		p.NewStream().answer(nil, encodeHeaders(pairs([]string{"x-user-id", "bob", "baggage", strings.Repeat("a=1,", tt.members)}), false), p.plan.Load(), s)
		if got := s.baggage.isLarge(); got != tt.large {
			t.Errorf("after %d members isLarge() = %v, want %v", tt.members, got, tt.large)
		}
		s.reset()
	}
}
