package processor

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"

	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/rules"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestNoTable(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	msg := marshal(t, headersRequest(rawHeaders("x-user-id", "jessie", "x-asm-prefer-tag", "s2")))
	for _, when := range []string{"before the first table", "after the last"} {
		reply, more := p.NewStream().Reply(nil, msg)
		if more {
			t.Errorf("%s: the stream goes on", when)
		}
		checkReply(t, string(reply), noChange)
		p.SetTable(load(t, walkthrough))
		if reply, _ := p.NewStream().Reply(nil, msg); bytes.Equal(reply, emptyReplies[requestHeaders]) {
			t.Errorf("with a table nothing is changed either")
		}
		p.SetTable(nil)
	}
}

// TestPanic makes deciding panic by a scratch that does not fit its plan.
func TestPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := New(Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		p.SetTable(load(t, walkthrough))
		made := 0
		p.plan.Load().scratch.New = func() any {
			made++
			return &scratch{}
		}

		msg := headersRequest(rawHeaders("x-user-id", "jessie"))
		const before = "before"
		dst := append(make([]byte, 0, 1000), before...)
		for range 3 {
			reply, more := p.NewStream().Reply(dst, marshal(t, msg))
			if more || !strings.HasPrefix(string(reply), before) {
				t.Fatalf("Reply = %q, %v, want the reply appended to %q and the stream ended", reply, more, before)
			}
			checkReply(t, string(reply[len(before):]), noChange)
		}
		if got := testutil.ToFloat64(p.metrics.panics); got != 3 {
			t.Errorf("%v panics are counted, want 3", got)
		}
		if made != 3 {
			t.Errorf("%d scratches were made for 3 panics, want 3: a panic leaves anything in one", made)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "decide.go") {
			t.Errorf("%d errors are logged within a second, want 1, with the stack:\n%s", n, log.String())
		}

		// On a stream that has bodies to hand back, it is no reason to end.
		time.Sleep(time.Second)
		s := p.NewStream()
		reply, more := s.Reply(nil, marshal(t, withModes(msg, filterv3.ProcessingMode_FULL_DUPLEX_STREAMED, 0)))
		if !more {
			t.Errorf("a panic ends a stream that has bodies to hand back")
		}
		checkReply(t, string(reply), noChange)
		if n := strings.Count(log.String(), "level=ERROR"); n != 2 {
			t.Errorf("%d errors are logged in two seconds, want 2", n)
		}
	})
}

// TestSetTableWhileReplying swaps tables of different shape under requests:
// every reply is that of one of them, and the last one set decides.
func TestSetTableWhileReplying(t *testing.T) {
	t.Parallel()
	sources := []string{
		walkthrough,
		"rules: []",
		"rules: [{header: x-user-id, tagHeader: lane, policies: [{range: 100, tagValue: s1}]}]",
		"rules: [{header: x-device, tagHeader: appver-a, policies: [{range: 100, tagValue: v9}]}, {header: x-user-id, tagHeader: b, policies: [{range: 100, tagValue: b1}]}]",
		manyRules(50),
	}
	msg := encodeHeaders(pairs([]string{"x-device", "phone", "x-user-id", "jessie", "appver-a", "forged"}), false)
	possible := map[string]bool{}
	p := New(Options{})
	reply := func() string {
		r, _ := p.NewStream().Reply(nil, msg)
		return string(r)
	}
	var tables []*rules.Table
	for _, src := range sources {
		table := load(t, src)
		tables = append(tables, table)
		p.SetTable(table)
		possible[reply()] = true
	}
	if len(possible) != len(tables) {
		t.Fatalf("%d different replies of %d tables", len(possible), len(tables))
	}

	done := make(chan struct{})
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if r := reply(); !possible[r] {
					t.Errorf("Reply = %x, which is that of no table", r)
					return
				}
			}
		})
	}
	for range 100 {
		for _, table := range tables {
			p.SetTable(table)
			if r := reply(); !possible[r] {
				t.Errorf("Reply = %x, which is that of no table", r)
			}
		}
	}
	close(done)
	workers.Wait()
	want := New(Options{})
	want.SetTable(tables[len(tables)-1])
	if w, _ := want.NewStream().Reply(nil, msg); reply() != string(w) {
		t.Errorf("the last table does not decide")
	}
}

// TestSample checks that one request in each second is logged, in full except whose
// it is, and none above the level of debugging.
func TestSample(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const want = `level=DEBUG msg="decisions on a request; at most one per second is logged" direction=gateway outcome=tagged` +
			` rules.lane.reason=policy rules.lane.bucket=16 rules.lane.tag=s2` +
			` rules.a.reason=policy rules.a.bucket=16 rules.a.tag=v2` +
			` rules.trial.reason=policy rules.trial.mode=shadow rules.trial.bucket=16 rules.trial.tag=v3` +
			` rules.killed.reason=off`
		for level, lines := range map[slog.Level]int{slog.LevelInfo: 0, slog.LevelDebug: 2} {
			var log bytes.Buffer
			p := New(Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))})
			log.Reset() // a build with faults says so
			if p.sampling != (lines > 0) {
				t.Errorf("at level %v sampling = %v: requests pay for lines that nobody sees, or get none", level, p.sampling)
			}
			msg := marshal(t, headersRequest(rawHeaders("x-user-id", "jessie")))
			p.NewStream().Reply(nil, msg)
			if log.Len() > 0 {
				t.Errorf("without rules it is logged: %s", &log)
			}
			p.SetTable(load(t, walkthrough))
			for range 2 {
				for range 3 {
					p.NewStream().Reply(nil, msg)
				}
				time.Sleep(time.Second)
			}
			if got := strings.Count(log.String(), want+"\n"); got != lines || strings.Count(log.String(), "\n") != lines || strings.Contains(log.String(), "jessie") {
				t.Errorf("at level %v the log is\n%s\nwant %d lines with\n%s", level, &log, lines, want)
			}
			if lines == 0 {
				continue
			}
			log.Reset()
			p.NewStream().Reply(nil, marshal(t, headersRequest(rawHeaders("accept", "*/*"))))
			if got := log.String(); !strings.Contains(got, "outcome=unchanged\n") {
				t.Errorf("of a request without a key the log says %q", got)
			}
		}
	})
}
