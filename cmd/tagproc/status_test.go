package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"

	"github.com/tagproc/tagproc/fleet"
	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/state"
	"github.com/tagproc/tagproc/transport"
)

// runStatus runs the command and returns what it writes, and its exit code.
func runStatus(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	root := newRootCommand()
	root.SetArgs(append([]string{"status"}, args...))
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	code = run(t.Context(), root)
	return stdout.String() + stderr.String(), code
}

// TestStatusOfTraffic checks that status shows what replicas have decided: each its own
// requests, and whether they are shared out as the rules say.
func TestStatusOfTraffic(t *testing.T) {
	t.Parallel()
	const half = "rules: [{name: half, header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 50, tagValue: s1}]}]\n"
	var sockets []string
	for i := range 2 {
		socket := filepath.Join(t.TempDir(), "admin.sock")
		sockets = append(sockets, transport.UnixScheme+socket)
		r := startServer(t, serverOptions{admin: transport.UnixScheme + socket})
		writeRules(t, r.rulesFile, half)
		if l := <-r.loads; l.Table == nil {
			t.Fatal(l.Problems.Err())
		}
		conn := r.dial(t)
		for user := range 400 {
			id := fmt.Sprint("user-", user)
			if i == 1 {
				id = "user-7" // over and over
			}
			if _, err := open(t, conn, filterv3.ProcessingMode_NONE, id).Recv(); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, code := runStatus(t, append(sockets, "-o", "json")...)
	var report fleet.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitOK || !report.Agree {
		t.Fatalf("exit code %d, %v: %s", code, err, out)
	}
	for i, want := range []state.Verdict{state.AsExpected, state.TooFew} {
		o := report.Replicas[i].State.Rules[0].Observed[1]
		if got := o.Verdict(0, 50); got != want || o.Total() != 400 {
			t.Errorf("replica %d: %+v is %q, want %q of 400 requests", i, o, got, want)
		}
	}
	text, _ := runStatus(t, sockets...)
	if strings.Contains(text, "user-7") || !strings.Contains(text, " of 400") {
		t.Errorf("status says\n%s", text)
	}
}

// TestStatusOfClocks checks that a replica whose clock is ahead, and so its ramp, is named
// with its clock.
func TestStatusOfClocks(t *testing.T) {
	t.Parallel()
	step := time.Now().Add(30 * time.Minute).UTC().Format(time.RFC3339)
	rules := "rules: [{name: lane, header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{tagValue: s1, ramp: [{at: 2020-01-01T00:00:00Z, range: 1}, {at: " + step + ", range: 100}]}]}]\n"
	var sockets []string
	file := filepath.Join(t.TempDir(), "rules.yaml")
	writeRules(t, file, rules)
	for _, ahead := range []time.Duration{0, time.Hour} {
		socket := filepath.Join(t.TempDir(), "admin.sock")
		sockets = append(sockets, transport.UnixScheme+socket)
		r := startServer(t, serverOptions{admin: transport.UnixScheme + socket, processor: processor.Options{Now: func() time.Time { return time.Now().Add(ahead) }}})
		writeRules(t, r.rulesFile, rules)
		if l := <-r.loads; l.Table == nil {
			t.Fatal(l.Problems.Err())
		}
	}
	out, code := runStatus(t, append(sockets, "--rules", file)...)
	if want := sockets[1] + " is at another step of the ramps: since " + step + ", expected 2020-01-01T00:00:00Z; its clock is 1h0m0s ahead"; code != exitProblems || !strings.Contains(out, want) {
		t.Errorf("exit code %d, and status says\n%s\nwant %s", code, out, want)
	}
}

// TestInterrupted checks that a signal ends a command that asks others, and is not taken
// for what they answer.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	socket := transport.UnixScheme + filepath.Join(t.TempDir(), "none.sock")
	for _, args := range [][]string{
		{"status", socket, "--watch"},
		{"status", socket, "--watch", "-o", "json"},
		{"status", socket},
		{"explain", "--addr", socket, "-H", "x-user-id: jack"},
		{"trace", "--envoy", "127.0.0.1:1"},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(&signalError{os.Interrupt})
		var stdout, stderr bytes.Buffer
		root := newRootCommand()
		root.SetArgs(args)
		root.SetOut(&stdout)
		root.SetErr(&stderr)
		if code := run(ctx, root); code != exitProblems || stdout.Len() > 0 || !strings.Contains(stderr.String(), ": interrupt received") || strings.Contains(stderr.String(), "they do not agree") {
			t.Errorf("%q: exit code %d, and it says\n%s%s", args, code, stdout.String(), stderr.String())
		}
	}
}

// TestWatchFleet checks that the first answers are waited for no longer than --timeout, and
// that what is cut off tells nothing.
func TestWatchFleet(t *testing.T) {
	t.Parallel()
	agree, differ := &fleet.Report{Agree: true}, &fleet.Report{}
	for name, tt := range map[string]struct {
		answers []*fleet.Report // nil: none before the time is over
		want    *fleet.Report
		said    string
	}{
		"at once":    {[]*fleet.Report{agree}, agree, ""},
		"in the end": {[]*fleet.Report{differ, differ, agree}, agree, "0 of 0"},
		"no answer":  {[]*fleet.Report{nil}, nil, "they do not agree within"},
		"cut off":    {[]*fleet.Report{differ, nil}, differ, "they do not agree within"},
	} {
		var stderr bytes.Buffer
		cmd := newStatusCommand()
		cmd.SetErr(&stderr)
		cmd.SetContext(t.Context())
		i := 0
		cutOff := &fleet.Report{}
		timeout := time.Minute
		if slices.Contains(tt.answers, nil) {
			timeout = 2 * watchEvery
		}
		got := watchFleet(cmd, func(ctx context.Context) *fleet.Report {
			r := tt.answers[i]
			i++
			if r == nil {
				<-ctx.Done()
				return cutOff
			}
			return r
		}, timeout)
		if tt.want == nil {
			tt.want = cutOff
		}
		if got != tt.want || !strings.Contains(stderr.String(), tt.said) {
			t.Errorf("%s: %+v, want %+v; it says\n%s", name, got, tt.want, stderr.String())
		}
	}
}
