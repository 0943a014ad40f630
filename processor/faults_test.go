//go:build tagproc_faults

package processor

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tagproc/tagproc/contract"
)

func TestParseFault(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want fault
		err  string
	}{
		{"", fault{}, ""},
		{"panic", fault{panics: true}, ""},
		{"slow=100ms", fault{delay: 100 * time.Millisecond}, ""},
		{"slow=0s", fault{}, `"0s" is not a duration above 0`},
		{"slow=-1s", fault{}, `"-1s" is not a duration above 0`},
		{"slow=100", fault{}, `"100" is not a duration above 0`},
		{"slow=", fault{}, `"" is not a duration above 0`},
		{"slow", fault{}, `TAGPROC_FAULT="slow" is not a fault; write panic, or slow=`},
	}
	for _, tt := range tests {
		got, err := parseFault(tt.text)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("parseFault(%q) = %+v, %v, want %+v, %s", tt.text, got, err, tt.want, tt.err)
		}
	}
}

// TestFaultOfEnvironment runs this test binary with faults that there are not.
func TestFaultOfEnvironment(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, "-test.run=^TestNoTable$")
	c.Env = append(os.Environ(), faultVariable+"=slow=soon")
	out, err := c.CombinedOutput()
	if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.ExitCode() != 2 || !strings.Contains(string(out), `"soon" is not a duration above 0`) {
		t.Errorf("with %s the process ends with %v and\n%s", c.Env[len(c.Env)-1], err, out)
	}
}

func TestFaultIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	New(Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if got := log.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "must not serve users") {
		t.Errorf("the log says %q", got)
	}
}

// TestFaultPanic checks that panics are counted one by one, and change nothing.
func TestFaultPanic(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.fault = fault{panics: true}
	p.SetTable(load(t, walkthrough))
	msg := marshal(t, headersRequest(rawHeaders("x-user-id", "jessie")))
	const workers, each = 4, 500
	var g sync.WaitGroup
	for range workers {
		g.Go(func() {
			for range each {
				if reply, more := p.NewStream().Reply(nil, msg); more || !bytes.Equal(reply, emptyReplies[requestHeaders]) {
					t.Errorf("Reply = %x, %v, want the reply that changes nothing", reply, more)
				}
			}
		})
	}
	g.Wait()
	if got := testutil.ToFloat64(p.metrics.panics); got != workers*each {
		t.Errorf("%v panics are counted, want %d", got, workers*each)
	}
	if n := p.pending.Load(); n != 0 {
		t.Errorf("%d messages are pending in the end", n)
	}
}

// TestFaultSlow has more messages at a time than may be pending.
func TestFaultSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most, more, delay = 5, 7, time.Second
		p := New(Options{MaxPending: most})
		p.fault = fault{delay: delay}
		p.SetTable(load(t, walkthrough))
		msg := marshal(t, headersRequest(rawHeaders("x-user-id", "jessie")))
		start := time.Now()
		var g sync.WaitGroup
		for range most {
			g.Go(func() {
				p.NewStream().Reply(nil, msg)
				if took := time.Since(start); took != delay {
					t.Errorf("a slow decision takes %v, want %v", took, delay)
				}
			})
		}
		synctest.Wait()
		for range more {
			p.NewStream().Reply(nil, msg)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("what is shed is answered after %v, want at once", took)
		}
		g.Wait()
		if tagged, shed := float64(p.metrics.messages[contract.Gateway][tagged].Load()), float64(p.metrics.messages[contract.Gateway][shed].Load()); tagged != most || shed != more {
			t.Errorf("%v messages are tagged and %v shed, want %d and %d", tagged, shed, most, more)
		}
	})
}
