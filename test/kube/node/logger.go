package node

import (
	"bytes"
	"fmt"
	"io"
	"time"
)

// A logger writes what a container prints as a kubelet reads it. One goroutine uses it.
type logger struct {
	to     io.Writer
	stream string
	rest   []byte // of a line that has not ended
}

// Write never fails: a program does not end because its log does.
func (l *logger) Write(text []byte) (int, error) {
	l.rest = append(l.rest, text...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(text), nil
		}
		l.write("F", line)
		l.rest = rest
	}
}

// flush writes what the last line has without an end.
func (l *logger) flush() {
	if len(l.rest) > 0 {
		l.write("P", l.rest)
	}
}

func (l *logger) write(tag string, line []byte) {
	_, _ = fmt.Fprintf(l.to, "%s %s %s %s\n", time.Now().UTC().Format(time.RFC3339Nano), l.stream, tag, line)
}
