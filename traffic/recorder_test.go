package traffic

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/state"
)

const lane = "- {name: lane, header: x-user-id, tagHeader: tag, overrides: [{values: [jason], tagValue: s9}], policies: [{range: 20, tagValue: s2}]}\n"

func load(t *testing.T, src string) *rules.Table {
	t.Helper()
	table, problems := rules.Load("rules.yaml", []byte("rules:\n"+src), rules.Options{})
	if table == nil {
		t.Fatal(problems.Err())
	}
	return table
}

// A bed is a processor with a Recorder that runs, in a bubble of synctest.
type bed struct {
	t *testing.T
	*processor.Processor
	*Recorder
}

// inBubble calls f with a bed.
func inBubble(t *testing.T, f func(t *testing.T, b *bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := processor.New(processor.Options{})
		b := &bed{t, p, New(p.Counts)}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			b.Run(ctx)
		}()
		f(t, b)
		p.SetTable(nil) // its timer
		cancel()
		<-ended
	})
}

// send has users send a request each, n times.
func (b *bed) send(n int, users ...string) {
	b.t.Helper()
	for _, user := range users {
		msg, err := proto.Marshal(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{
			Headers: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: "x-user-id", RawValue: []byte(user)}}},
		}}})
		if err != nil {
			b.t.Fatal(err)
		}
		for range n {
			b.NewStream().Reply(nil, msg)
		}
	}
}

// check compares the requests of the first rule by window, and of all by window, with
// texts such as "10 s: 2 of s2, 1 of none".
func (b *bed) check(when string, want ...string) {
	b.t.Helper()
	_, _, observed := b.Read()
	var got []string
	if len(observed) > 0 {
		for _, o := range observed[0] {
			got = append(got, fmt.Sprintf("%ds %d", o.Seconds, o.Requests))
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("%s: observed are %q, want %q", when, got, want)
	}
}

// TestWindows checks what is seen of the last 1, 5 and 60 minutes as time goes by. jack is
// in bucket 2, stacy in 26.
func TestWindows(t *testing.T) {
	t.Parallel()
	inBubble(t, func(_ *testing.T, b *bed) {
		b.check("without rules")
		b.SetTable(load(b.t, lane))
		time.Sleep(time.Second)
		b.check("at the start", "1s [0 0]", "1s [0 0]", "1s [0 0]")
		b.send(3, "jack")
		b.send(1, "stacy", "jason", "")
		time.Sleep(30 * time.Second)
		b.check("after half a minute", "31s [3 1]", "31s [3 1]", "31s [3 1]")
		time.Sleep(time.Minute)
		b.check("after a minute and a half", "61s [0 0]", "91s [3 1]", "91s [3 1]")
		b.send(5, "stacy")
		time.Sleep(5 * time.Minute)
		b.check("after more than 5 minutes", "61s [0 0]", "331s [0 5]", "391s [3 6]")
		time.Sleep(54 * time.Minute)
		b.check("after an hour", "61s [0 0]", "331s [0 0]", "3631s [3 6]")
		time.Sleep(10 * time.Minute)
		b.check("after an hour and ten minutes", "61s [0 0]", "331s [0 0]", "3631s [0 0]")
	})
}

// TestEditsBeginAnew checks that what a rule did before an edit of it, or before a step of
// its ramp, is not compared with what it should do now.
func TestEditsBeginAnew(t *testing.T) {
	t.Parallel()
	inBubble(t, func(_ *testing.T, b *bed) {
		b.SetTable(load(b.t, lane))
		time.Sleep(time.Second)
		b.send(3, "jack")
		time.Sleep(20 * time.Second)
		other := "- {name: other, header: x-id, tagHeader: b, policies: [{range: 20, tagValue: s2}]}\n"
		b.SetTable(load(b.t, lane+other))
		b.check("another rule comes", "21s [3 0]", "21s [3 0]", "21s [3 0]")
		b.SetTable(load(b.t, strings.Replace(lane, "20", "30", 1)+other))
		b.check("the range is another one", "0s [0 0]", "0s [0 0]", "0s [0 0]")
		b.send(1, "jack", "stacy")
		time.Sleep(20 * time.Second)
		b.check("after some time", "20s [2 0]", "20s [2 0]", "20s [2 0]")

		step := time.Now().Add(time.Minute + 500*time.Millisecond).UTC().Format(time.RFC3339Nano)
		b.SetTable(load(b.t, strings.Replace(lane, "range: 20", "ramp: [{at: 1999-01-01T00:00:00Z, range: 20}, {at: "+step+", range: 30}]", 1)))
		b.send(1, "jack", "stacy")
		time.Sleep(40 * time.Second)
		b.check("before the step", "40s [1 1]", "40s [1 1]", "40s [1 1]")
		time.Sleep(30 * time.Second)
		b.send(1, "stacy")
		b.check("behind it", "9s [1 0]", "9s [1 0]", "9s [1 0]")
	})
}

// TestRequests checks the requests of all rules, by outcome.
func TestRequests(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bed) {
		t.Helper()
		time.Sleep(time.Second)
		b.send(10, "jack") // no rules yet
		b.SetTable(load(t, lane+"- {name: b, header: x-user-id, tagHeader: b, policies: [{range: 100, tagValue: s2}]}\n"))
		time.Sleep(time.Second)
		b.send(100, "jack")
		time.Sleep(19 * time.Second)
		requests, table, observed := b.Read()
		if len(requests) != len(windows) || table == nil || len(observed) != 2 {
			t.Fatalf("Read = %v, %v, %v", requests, table, observed)
		}
		// The clock of the bubble stands still meanwhile.
		if l := requests[0].Latency; l == nil || l.P50 != processor.DurationBounds()[0] || l.P99 != l.P50 {
			t.Errorf("the latency is %+v", l)
		}
		requests[0].Latency = nil
		if got, want := fmt.Sprintf("%+v", requests[0]), "{Seconds:21 PerSecond:5.24 Decisions:10 Outcomes:map[no_rules:10 tagged:100] Latency:<nil>}"; got != want {
			t.Errorf("the requests are %s, want %s", got, want)
		}
		if o := observed[1][0]; o.Verdict(0, 100) != state.AsExpected || o.Verdict(1, 0) != state.AsExpected {
			t.Errorf("all of %+v have the tag, and that is %q", o, o.Verdict(0, 100))
		}
		if o := observed[0][0]; o.Verdict(0, 20) != state.TooFew {
			t.Errorf("the requests of one user tell %q", o.Verdict(0, 20))
		}
	})
}

// TestLatency checks in which times replies were made, from how many were made within each
// bound.
func TestLatency(t *testing.T) {
	t.Parallel()
	bounds := processor.DurationBounds()
	within := func(counts ...uint32) []uint32 {
		for len(counts) < len(bounds)+1 {
			counts = append(counts, counts[len(counts)-1])
		}
		return counts
	}
	if l := latencyOf(within(0)); l != nil {
		t.Errorf("without requests the latency is %+v", l)
	}
	slow := within(50, 98)
	slow[len(bounds)] = 100
	for _, tt := range []struct {
		within []uint32
		want   state.Latency
	}{
		{within(1), state.Latency{P50: bounds[0], P99: bounds[0]}},
		{within(49, 98, 99, 100), state.Latency{P50: bounds[1], P99: bounds[2]}},
		{slow, state.Latency{P50: bounds[0]}},
	} {
		if got := *latencyOf(tt.within); got != tt.want {
			t.Errorf("the latency of %v is %+v, want %+v", tt.within, got, tt.want)
		}
	}
}

// TestFirstRequests checks that requests which come before the Recorder has run are counted
// too: a replica says of itself what it has done since it was made.
func TestFirstRequests(t *testing.T) {
	t.Parallel()
	p := processor.New(processor.Options{})
	b := &bed{t, p, New(p.Counts)}
	b.send(3, "jack")
	requests, _, _ := b.Read()
	if got := requests[0].Outcomes["no_rules"]; got != 3 {
		t.Errorf("%d requests are counted, want 3", got)
	}
}
