package cluster

import (
	"strings"
	"testing"
)

// explained is how much of each log a failed test shows.
const explained = 2 << 10

// explain writes what pods have said to the test's log.
func (c *Cluster) explain(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pods {
		p.mu.Lock()
		for _, one := range p.containers {
			t.Logf("pod %s, container %s, the end of its log:\n%s", p.name, one.name(), end(one.log.String()))
		}
		p.mu.Unlock()
	}
}

// end returns the end of a log, in whole lines.
func end(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "Deprecated field") { // of what Istio sends, to every Envoy
			b.WriteString(line)
		}
	}
	text := b.String()
	if over := len(text) - explained; over > 0 {
		_, text, _ = strings.Cut(text[over:], "\n")
	}
	return text
}
