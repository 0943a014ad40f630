package main

import (
	"fmt"
	"time"

	"github.com/tagproc/tagproc/internal/terminal"
)

// progress shows on a terminal how much of a long file is read.
type progress struct {
	terminal *terminal.Writer
	size     int64     // of the file in bytes; below 1: unknown
	next     time.Time // when to show it again
	shown    bool
}

const (
	progressDelay = time.Second // a short file is read in silence
	progressEvery = 200 * time.Millisecond
)

func (p *progress) show(rows, bytes int64) {
	now := time.Now()
	if p.next.IsZero() {
		p.next = now.Add(progressDelay)
	}
	if now.Before(p.next) {
		return
	}
	p.next, p.shown = now.Add(progressEvery), true
	percent := ""
	if p.size > 0 {
		percent = fmt.Sprintf(" (%d%%)", min(100, 100*bytes/p.size))
	}
	p.terminal.Status("%d rows%s", rows, percent)
}

// clear removes the line.
func (p *progress) clear() {
	if p.shown {
		p.terminal.Status("")
	}
}
