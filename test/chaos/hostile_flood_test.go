package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// A flood sends the same few frames on a few connections, for as long as it
// lasts, and opens a connection anew when tagproc closes it.
type flood struct {
	settings []http2.Setting
	deaf     bool // reads nothing of what tagproc sends
	// begin, which may be nil, puts what comes first on a connection into its buffer.
	begin func(p *peer) error
	// unit puts the n-th unit of a connection, counted from 0, into its buffer.
	unit func(p *peer, n int) error
}

const (
	floodConnections   = 4
	unitsPerWrite      = 50
	unitsPerConnection = 1 << 29 // the ids of streams reach no further
	redialPause        = 5 * time.Millisecond
)

// floods are what is sent too often, or without end, by their names in the table.
var floods = []struct {
	name string
	flood
}{
	{"rapid reset: streams opened and reset", flood{unit: func(p *peer, n int) error {
		return errors.Join(p.open(n), p.frames.WriteRSTStream(streamID(n), http2.ErrCodeCancel))
	}}},
	{"rapid reset: streams opened, asked and reset", flood{unit: func(p *peer, n int) error {
		return errors.Join(p.ask(n), p.frames.WriteRSTStream(streamID(n), http2.ErrCodeCancel))
	}}},
	// The server resets a stream itself when its window grows by 0.
	{"streams opened and made to be reset", flood{unit: func(p *peer, n int) error {
		return errors.Join(p.open(n), p.frames.WriteWindowUpdate(streamID(n), 0))
	}}},
	{"calls of a method that is not there", flood{unit: func(p *peer, n int) error {
		return p.frames.WriteHeaders(http2.HeadersFrameParam{
			StreamID: streamID(n), BlockFragment: strangeHeaders, EndHeaders: true, EndStream: true,
		})
	}}},
	{"PING flood", flood{unit: func(p *peer, _ int) error {
		return p.frames.WritePing(false, [8]byte{})
	}}},
	{"PING flood, nothing read", flood{deaf: true, unit: func(p *peer, _ int) error {
		return p.frames.WritePing(false, [8]byte{})
	}}},
	{"SETTINGS flood", flood{unit: func(p *peer, n int) error {
		return p.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(1<<16 + n%2)})
	}}},
	{"CONTINUATION flood, of headers", flood{begin: beginHeaders, unit: func(p *peer, _ int) error {
		return p.frames.WriteContinuation(streamID(0), false, fillerHeaders)
	}}},
	{"CONTINUATION flood, of nothing", flood{begin: beginHeaders, unit: func(p *peer, _ int) error {
		return p.frames.WriteContinuation(streamID(0), false, nil)
	}}},
	{"requests without window for the reply", flood{settings: []http2.Setting{noWindow}, unit: (*peer).ask}},
	{"requests, nothing read", flood{deaf: true, unit: (*peer).ask}},
}

// noWindow takes the right to send any reply.
var noWindow = http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}

var (
	strangeHeaders = headerBlock(
		":method", "POST", ":scheme", "http", ":path", "/no/such/method", ":authority", "tagproc",
		"content-type", "application/grpc", "te", "trailers",
		"grpc-timeout", "99999999H", // a timer, which nobody may forget
	)
	fillerHeaders = headerBlock("x-filler", string(bytes.Repeat([]byte("x"), 1<<10)))
)

// beginHeaders begins the headers of a stream and does not end them.
func beginHeaders(p *peer) error {
	return p.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: streamID(0), BlockFragment: processHeaders})
}

// floodRole floods an address until ctx ends. Its arguments are the number of the
// flood, the address, and how many units there may be per second: 0 is no bound.
// It says how many units were sent, and how many connections tagproc closed.
func floodRole(ctx context.Context, args []string, say func(string)) error {
	var f, rate int
	var address string
	if _, err := fmt.Sscan(strings.Join(args, " "), &f, &address, &rate); err != nil {
		return err
	}
	say("flooding")
	sent, closed, err := floods[f].run(ctx, address, rate)
	say(fmt.Sprint(sent, closed))
	return err
}

// run floods address until ctx ends. It returns how many units were sent, and how
// many connections tagproc closed. No more units are sent than rate says, per
// second and over all connections; 0 is no bound.
func (f flood) run(ctx context.Context, address string, rate int) (sent, closed int64, err error) {
	var s, c atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, floodConnections)
	for i := range errs {
		group.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				errs[i] = f.connection(ctx, address, rate/floodConnections, &s)
				if ctx.Err() == nil {
					c.Add(1)
					rest(ctx, redialPause)
				}
			}
		})
	}
	group.Wait()
	return s.Load(), c.Load(), errors.Join(errs...)
}

// connection floods one connection until tagproc closes it or ctx ends. Where
// none can be opened, that is an error.
func (f flood) connection(ctx context.Context, address string, rate int, sent *atomic.Int64) error {
	p, err := dial(ctx, address)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.close()
	defer context.AfterFunc(ctx, func() { p.conn.Close() })() // a write that tagproc does not take ends
	if !f.deaf {
		p.readOn()
	}
	if err := p.greeting(f.settings...); err != nil {
		return err
	}
	if f.begin != nil {
		if err := f.begin(p); err != nil {
			return err
		}
	}
	var pause time.Duration
	if rate > 0 {
		pause = time.Second * unitsPerWrite / time.Duration(rate)
	}
	for n := 0; n < unitsPerConnection && ctx.Err() == nil; n += unitsPerWrite {
		for i := range unitsPerWrite {
			if err := f.unit(p, n+i); err != nil {
				return err
			}
		}
		if p.send() != nil {
			return nil
		}
		sent.Add(unitsPerWrite)
		rest(ctx, pause)
	}
	return nil
}

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
