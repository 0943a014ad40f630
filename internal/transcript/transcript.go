// Package transcript keeps what is written and can be read at the same time: the log of
// a process, or the screen of a command, in tests. It knows nothing of what it keeps.
package transcript

import (
	"bytes"
	"sync"
)

// A Transcript is a writer that can be read at any time, by any goroutine. The
// zero value is empty and ready to use.
type Transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends p. It never fails.
func (t *Transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

// String returns all that was written so far.
func (t *Transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}
