package processor

import (
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
	p.SetTable(load(t, walkthrough))
	pl := p.plan.Load()
	s := newScratch(pl)
	body := &extprocv3.HttpBody{Body: []byte("body")}
	user := marshal(t, headersRequest(rawHeaders("x-user-id", "jessie", "appver-a", "1", "appver-z", "2")))
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
		if s.request.chunk.body != nil || s.keys.Key(0) != nil {
			t.Errorf("after %q a body or key is kept", msg)
		}
	}
}
