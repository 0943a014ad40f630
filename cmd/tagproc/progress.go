package main

import (
	"fmt"
	"io"
	"time"
)

// progress says on a terminal how far a long file is read.
type progress struct {
	w     io.Writer
	size  int64     // of the file in bytes; 0: unknown
	next  time.Time // when to say it again
	shown bool
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
	fmt.Fprintf(p.w, "\r%d rows%s\x1b[K", rows, percent)
}

// clear removes the line, for what comes next.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
