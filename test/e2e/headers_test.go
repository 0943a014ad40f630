package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
)

const lanes = `
tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
rules:
- header: x-user-id
  tagHeader: x-asm-prefer-tag
  policies:
  - {range: 20, tagValue: s2}
  - {range: 100, tagValue: s1}
`

// TestHeaders checks that tagproc tags by the first key, whatever its bytes, and
// that large requests pass and are tagged. The key with bytes that are not UTF-8
// has the bucket 88, computed by the definition of FNV-1a.
func TestHeaders(t *testing.T) {
	envoytest.Each(t, testHeaders)
}

func testHeaders(t *testing.T, envoy string) {
	t.Helper()
	t.Parallel()
	dir := t.TempDir()
	socket, rulesFile := filepath.Join(dir, "tagproc.sock"), filepath.Join(dir, "rules.yaml")
	m := startMesh(t, envoy, socket)
	writeFile(t, rulesFile, []byte(lanes))
	p := start(t, socket, rulesFile)

	for _, tt := range []struct {
		name  string
		lines []string
		tag   string // at mocka; empty: none
	}{
		{"canary", []string{"x-user-id: jack"}, "s2"},
		{"baseline", []string{"x-user-id: bob"}, "s1"},
		{"the name in any case", []string{"X-USER-ID: jack"}, "s2"},
		{"spaces around the value", []string{"x-user-id:  \t jack \t"}, "s2"},
		{"the first of two keys", []string{"x-user-id: jack", "x-user-id: bob"}, "s2"},
		{"the first of two keys, the other way round", []string{"x-user-id: bob", "x-user-id: jack"}, "s1"},
		{"not UTF-8", []string{"x-user-id: \xff\xfe\x80"}, "s1"},
		{"UTF-8", []string{"x-user-id: Grüße"}, "s1"},
		{"no key", nil, ""},
		{"an empty key", []string{"x-user-id:"}, ""},
		{"a large key", []string{"x-user-id: " + strings.Repeat("x", 50_000)}, "s1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkTag(t, get(t, m, "mocka", tt.lines...)[0].Tags, tt.tag)
		})
	}
	// The limits that operators state reach the processor: with room for one header
	// no tag fits beside the key.
	p.stop(t)
	p = start(t, socket, rulesFile, "--max-request-headers", "1")
	checkTag(t, get(t, m, "mocka", "x-user-id: jack")[0].Tags, "")
	p.stop(t)
	p = start(t, socket, rulesFile, "--max-request-headers-kb", "1")
	checkTag(t, get(t, m, "mocka", "x-user-id: "+strings.Repeat("x", 1100))[0].Tags, "")
	p.stop(t)
	start(t, socket, rulesFile)

	for n := 60; n <= 100; n++ {
		lines := []string{"x-user-id: jack"}
		for i := len(lines) + 3; i < n; i++ { // get sends three lines of its own
			lines = append(lines, fmt.Sprintf("x-filler-%d: %d", i, i))
		}
		checkTag(t, get(t, m, "mocka", lines...)[0].Tags, "s2")
	}
}

func checkTag(t *testing.T, tags map[string][]string, want string) {
	t.Helper()
	if got := strings.Join(tags["x-asm-prefer-tag"], ","); got != want {
		t.Errorf("mocka saw the tag %q, want %q", got, want)
	}
}
