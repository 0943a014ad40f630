package main

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/transcript"
)

// screen is what a demo prints, for a test that reads it meanwhile.
type screen struct{ transcript.Transcript }

// await waits until what was printed after the first skip bytes matches.
func (s *screen) await(t *testing.T, skip int, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		if m := re.FindStringSubmatch(s.String()[skip:]); m != nil {
			return m
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v nothing matches %s:\n%s", limit, pattern, s.String())
		}
	}
}

// users is what the demo shows when the canary has the given range: a line for
// each user with the version of mockc.
func users(versions map[string]string) string {
	var b strings.Builder
	for _, u := range []string{"jason", "bob", "stacy", "jessie", "vance", "jack"} {
		b.WriteString(`(?s:.*)\n` + u + ` +\d+ +s\d +v1 +v1 +` + versions[u] + `\b`)
	}
	return b.String()
}

var documented = map[string]string{"jason": "v2", "bob": "v1", "stacy": "v1", "jessie": "v2", "vance": "v1", "jack": "v2"}

func TestDemoOnce(t *testing.T) {
	var out screen
	if err := runDemo(t.Context(), &out, true); err != nil {
		t.Fatalf("the demo failed: %v\n%s", err, out.String())
	}
	out.await(t, 0, users(documented)+`(?s:.*)All 6 users reached the versions`)
}

// TestDemo edits the rules of a running demo: at range 50 bob (44) and stacy (25)
// move to the canary, and vance (54) does not. A file that cannot be used moves
// nobody.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out screen
	ended := make(chan error, 1)
	go func() { ended <- runDemo(ctx, &out, false) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	}()
	out.await(t, 0, users(documented))
	file := out.await(t, 0, `Edit the rules: +(\S+)`)[1]
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(src); !strings.Contains(text, "\ntagHeaders:\n") || !strings.Contains(text, "\nrules:\n") || strings.Contains(text, "WasmPlugin") || strings.Contains(text, "registry") {
		t.Errorf("the rules file of the demo is\n%s\nwant a rules file, and no manifest", text)
	}
	edit := func(content string) int {
		skip := len(out.String())
		writeRules(t, file, content)
		return skip
	}
	out.await(t, 0, `Ctrl-C ends the demo`)
	moved := map[string]string{"jason": "v2", "bob": "v2", "stacy": "v2", "jessie": "v2", "vance": "v1", "jack": "v2"}
	out.await(t, edit(strings.Replace(string(src), "range: 20", "range: 50", 1)), `The rules file has changed`+users(moved))
	out.await(t, 0, `bob .*← moved\nstacy .*← moved\n`)
	out.await(t, edit("rules:\n"), `"rules" has no value(?s:.*)the last good rules stay live`)
	out.await(t, edit(string(src)), `The rules file has changed`+users(documented))
	out.await(t, edit("# a comment\n"+string(src)), `It means the same as before`)
}
