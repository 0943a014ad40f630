package processor

import (
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// TestShed has as many messages pending as may be, and sends others.
func TestShed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = 3
		p := New(Options{MaxPending: most, Metadata: true})
		p.SetTable(load(t, walkthrough))
		user := headersRequest(rawHeaders("x-user-id", "jessie", "appver-zz", "forged"))

		// They wait for a scratch, which a decision takes first.
		goOn := make(chan struct{})
		pl := p.plan.Load()
		pl.scratch.New = func() any { <-goOn; return newScratch(pl) }
		for range most {
			go func() {
				if reply, _ := p.NewStream().Reply(nil, marshal(t, user)); len(reply) < 100 {
					t.Errorf("a message that was in time is answered with %x", reply)
				}
			}()
		}
		synctest.Wait()

		observed := headersRequest(rawHeaders("x-user-id", "jessie"))
		observed.ObservabilityMode = true
		for _, tt := range []struct {
			name string
			msg  []byte
			want *extprocv3.ProcessingResponse
		}{
			{"request headers", marshal(t, user), noChange},
			{"observed", marshal(t, observed), nil},
			{"malformed inside", []byte{0x12, 0x01, 0x80}, noChange},
		} {
			reply, more := p.NewStream().Reply(nil, tt.msg)
			if more {
				t.Errorf("%s: the stream goes on", tt.name)
			}
			checkReply(t, string(reply), tt.want)
		}
		s := p.NewStream()
		reply, more := s.Reply(nil, marshal(t, withModes(user, filterv3.ProcessingMode_FULL_DUPLEX_STREAMED, 0)))
		if !more {
			t.Errorf("a stream that has bodies to hand back is ended")
		}
		checkReply(t, string(reply), noChange)
		if got := testutil.ToFloat64(p.metrics.messages[Gateway][shed]); got != 4 {
			t.Errorf("%v messages are counted as shed, want 4", got)
		}

		close(goOn)
		synctest.Wait()
		reply, more = s.Reply(nil, marshal(t, requestBodyRequest(&extprocv3.HttpBody{Body: []byte("x")})))
		if !more {
			t.Errorf("the stream ends with the first piece of a body")
		}
		checkReply(t, string(reply), handedBackRequest(&extprocv3.StreamedBodyResponse{Body: []byte("x")}))
		if got := testutil.ToFloat64(p.metrics.messages[Gateway][tagged]); got != most {
			t.Errorf("%v messages are counted as tagged, want %d", got, most)
		}
		if n := p.pending.Load(); n != 0 {
			t.Errorf("%d messages are pending in the end", n)
		}
	})
}

// TestShedLeavesBodies holds that pieces of a body come back at any time.
func TestShedLeavesBodies(t *testing.T) {
	t.Parallel()
	p := New(Options{MaxPending: 1})
	p.SetTable(load(t, walkthrough))
	p.pending.Add(1) // as if one was

	s := p.NewStream()
	first := withModes(headersRequest(rawHeaders("x-user-id", "jessie")), filterv3.ProcessingMode_FULL_DUPLEX_STREAMED, 0)
	for _, x := range []exchange{
		{send: first, want: noChange},
		{
			send: requestBodyRequest(&extprocv3.HttpBody{Body: []byte("x"), EndOfStream: true}),
			want: handedBackRequest(&extprocv3.StreamedBodyResponse{Body: []byte("x"), EndOfStream: true}),
		},
		{send: responseHeadersRequest(), want: noChangeInResponse},
		{send: responseTrailersRequest(), want: noChangeInResponseTrailers},
	} {
		reply, more := s.Reply(nil, marshal(t, x.send))
		if !more {
			t.Errorf("the stream ends with %v", x.send)
		}
		checkReply(t, string(reply), x.want)
	}

	p.pending.Add(-1)
	if reply, _ := p.NewStream().Reply(nil, marshal(t, first)); len(reply) < 50 {
		t.Errorf("when nothing is pending the reply is %x, want tags", reply)
	}
}

// TestShedNothingByDefault holds that so many messages may be pending that no
// ordinary burst comes near.
func TestShedNothingByDefault(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, walkthrough))
	msg := marshal(t, headersRequest(rawHeaders("x-user-id", "jessie")))
	for pending, want := range map[int64]float64{999: 0, 1000: 1} {
		before := testutil.ToFloat64(p.metrics.messages[Gateway][shed])
		p.pending.Store(pending)
		p.NewStream().Reply(nil, msg)
		if got := testutil.ToFloat64(p.metrics.messages[Gateway][shed]) - before; got != want {
			t.Errorf("with %d messages pending %v are shed, want %v", pending, got, want)
		}
	}
}
