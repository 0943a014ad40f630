package processor

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSample holds that one request in each second is logged, in full but for
// who it is of, and none above the level of debugging.
func TestSample(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const want = `level=DEBUG msg="decisions on a request; one a second is logged" direction=gateway outcome=tagged` +
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
