package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tagproc/tagproc/internal/terminal"
)

// TestProgress checks that a short file is read in silence, and that a long one is
// not: now and then, in one line, which is gone at the end.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := &progress{terminal: terminal.New(&out), size: 1000}
		p.show(0, 0)
		p.show(50, 100)
		p.clear()
		if out.Len() > 0 {
			t.Errorf("a short file: %q, want nothing", out.String())
		}
		time.Sleep(progressDelay)
		p.show(100, 250)
		p.show(150, 300)
		time.Sleep(progressEvery)
		p.show(600, 1100)
		p.clear()
		if got, want := out.String(), "\r100 rows (25%)\x1b[K\r600 rows (100%)\x1b[K\r\x1b[K"; got != want {
			t.Errorf("a long file: %q, want %q", got, want)
		}
	})
}
