package envoy

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// tailSize is how much of the log an error carries.
const tailSize = 8 << 10

// tail keeps the end of what is written to it, and passes everything on to next
// if there is one.
type tail struct {
	next io.Writer

	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	t.mu.Unlock()
	if t.next == nil {
		return len(b), nil
	}
	// An error here must not stop Envoy, whose output would block.
	_, _ = t.next.Write(b)
	return len(b), nil
}

// String returns whole lines, indented.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	buf := t.buf
	if len(buf) == tailSize {
		_, buf, _ = bytes.Cut(buf, []byte("\n"))
	}
	text := strings.TrimRight(string(buf), "\n")
	if text == "" {
		return "\t(empty)"
	}
	return "\t" + strings.ReplaceAll(text, "\n", "\n\t")
}
