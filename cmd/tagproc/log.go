package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/tagproc/tagproc/internal/terminal"
)

// longestLine is the most bytes that a line of the log may have, so that a long text
// from a file or a peer neither fills a disk nor pushes other lines out.
const longestLine = 2 << 10

// A shortLines is a handler whose lines are no longer than longestLine: it cuts the
// longest texts of a line that would be.
type shortLines struct {
	format func(w io.Writer) slog.Handler
	level  slog.Leveler

	mu  *sync.Mutex // of out
	out io.Writer
}

func newShortLines(w io.Writer, level slog.Leveler, format func(w io.Writer) slog.Handler) *shortLines {
	return &shortLines{format: format, level: level, mu: new(sync.Mutex), out: w}
}

// Enabled reports whether records of a level are logged.
func (h *shortLines) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle writes a record as one line.
func (h *shortLines) Handle(ctx context.Context, r slog.Record) error {
	line, err := h.line(ctx, r)
	for most := longestLine / 2; err == nil && len(line) > longestLine && most > 0; most /= 2 {
		line, err = h.line(ctx, cutRecord(r, most))
	}
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err = io.WriteString(h.out, line) //nolint:forbidigo // line has escaped it
	return err
}

// line returns a record as a line without control characters; slog leaves some in
// JSON.
func (h *shortLines) line(ctx context.Context, r slog.Record) (string, error) {
	var line bytes.Buffer
	err := h.format(&line).Handle(ctx, r)
	if line.Len() > longestLine {
		return line.String(), err // unescaped: the caller cuts it
	}
	return terminal.EscapeJSON(line.String()), err
}

// WithAttrs and WithGroup return a handler that adds attributes or a group to its lines.
func (h *shortLines) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(inner slog.Handler) slog.Handler { return inner.WithAttrs(attrs) })
}

// WithGroup is documented with WithAttrs.
func (h *shortLines) WithGroup(name string) slog.Handler {
	return h.with(func(inner slog.Handler) slog.Handler { return inner.WithGroup(name) })
}

func (h *shortLines) with(change func(slog.Handler) slog.Handler) slog.Handler {
	changed := *h
	changed.format = func(w io.Writer) slog.Handler { return change(h.format(w)) }
	return &changed
}

// cutRecord returns r with no text longer than most bytes.
func cutRecord(r slog.Record, most int) slog.Record {
	short := slog.NewRecord(r.Time, r.Level, cutText(r.Message, most), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		short.AddAttrs(cutAttr(a, most))
		return true
	})
	return short
}

func cutAttr(a slog.Attr, most int) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(cutText(v.String(), most))
	case slog.KindAny:
		a.Value = slog.StringValue(cutText(fmt.Sprint(v.Any()), most))
	case slog.KindGroup:
		var short []slog.Attr
		for _, member := range v.Group() {
			short = append(short, cutAttr(member, most))
		}
		a.Value = slog.GroupValue(short...)
	}
	return a
}

// cutText returns the beginning of a text and its whole length.
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + fmt.Sprintf("… (%d bytes)", len(text))
}
