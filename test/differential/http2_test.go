package differential

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	wire "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tagproc/tagproc/internal/echo"
)

const (
	initialWindow = 65_535  // of a peer that has said nothing
	ownWindow     = 1 << 30 // what the peer may send: as much as it wants
)

// An http2Conn speaks HTTP/2 without TLS, one stream at a time, and encodes what it is
// given without looking at it.
type http2Conn struct {
	net.Conn
	framer *wire.Framer
	stream uint32 // the last one
	block  bytes.Buffer
	hpack  *hpack.Encoder

	mu            sync.Mutex // of what follows, and of writing
	changed       *sync.Cond
	window        int64 // what may still be sent on the connection
	streamWindow  int64 // and on the stream
	initialWindow int64 // of a new stream
	frameSize     int
	ended         bool // the stream is over: a body that waits waits in vain
}

func newHTTP2(socket net.Conn) (*http2Conn, error) {
	c := &http2Conn{
		Conn:          socket,
		framer:        wire.NewFramer(socket, socket),
		window:        initialWindow,
		initialWindow: initialWindow,
		frameSize:     16 << 10,
	}
	c.changed = sync.NewCond(&c.mu)
	c.hpack = hpack.NewEncoder(&c.block)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.framer.MaxHeaderListSize = 16 << 20
	// Whatever is in a request is to be sent: that is what is tested.
	c.framer.AllowIllegalWrites = true
	if _, err := io.WriteString(socket, wire.ClientPreface); err != nil {
		socket.Close()
		return nil, err
	}
	err := c.framer.WriteSettings(wire.Setting{ID: wire.SettingInitialWindowSize, Val: ownWindow})
	if err == nil {
		err = c.framer.WriteWindowUpdate(0, ownWindow-initialWindow)
	}
	if err != nil {
		socket.Close()
		return nil, err
	}
	return c, nil
}

func (c *http2Conn) exchange(r *request, key string) (outcomes []outcome, reusable bool) {
	fail := func(err error) ([]outcome, bool) { return []outcome{{Failure: "no answer: " + broke(err)}}, false }
	if err := c.SetDeadline(deadline()); err != nil {
		return fail(err)
	}
	c.stream = max(1, c.stream+2) | 1
	c.mu.Lock()
	c.streamWindow, c.ended = c.initialWindow, false
	bodyless := r.Body == 0 && len(r.Trailers) == 0
	err := c.writeHeaders(r.pseudo(), r.fields(key), bodyless)
	c.mu.Unlock()
	if err != nil {
		return fail(err)
	}
	goAhead := make(chan bool, 1)
	written := make(chan bool, 1) // whether all of it was
	go func() { written <- bodyless || <-goAhead && c.writeBody(r) == nil }()
	if !r.Expect {
		goAhead <- true
	}
	o := c.read(goAhead)
	select {
	case goAhead <- false: // for a body that nobody waits for
	default:
	}
	if o.passed() {
		// The upstream answers when it has the whole request: it was sent.
		return []outcome{o}, <-written
	}
	c.Close() // ends a request that is still being sent
	c.mu.Lock()
	c.ended = true
	c.changed.Broadcast()
	c.mu.Unlock()
	<-written
	return []outcome{o}, false
}

// pseudo returns the headers that HTTP/2 has instead of a request line.
func (r *request) pseudo() []field {
	return []field{
		{Name: ":method", Value: r.Method},
		{Name: ":scheme", Value: "http"},
		{Name: ":authority", Value: r.Authority},
		{Name: ":path", Value: r.Path},
	}
}

// writeHeaders sends a block of headers, in as many frames as it needs.
func (c *http2Conn) writeHeaders(pseudo, fields []field, end bool) error {
	c.block.Reset()
	for _, all := range [][]field{pseudo, fields} {
		for _, f := range all {
			if err := c.hpack.WriteField(hpack.HeaderField{Name: string(f.Name), Value: f.value()}); err != nil {
				return err
			}
		}
	}
	first := c.block.Next(c.frameSize)
	err := c.framer.WriteHeaders(wire.HeadersFrameParam{
		StreamID: c.stream, BlockFragment: first, EndStream: end, EndHeaders: c.block.Len() == 0,
	})
	for err == nil && c.block.Len() > 0 {
		piece := c.block.Next(c.frameSize)
		err = c.framer.WriteContinuation(c.stream, c.block.Len() == 0, piece)
	}
	return err
}

// writeBody sends the body and the trailers, as the peer's windows allow.
func (c *http2Conn) writeBody(r *request) error {
	piece := make([]byte, 16<<10)
	if r.Chunk > 0 {
		piece = make([]byte, min(r.Chunk, len(piece)))
	}
	body := echo.Body(r.Body)
	for left := r.Body; left > 0; {
		n, err := io.ReadFull(body, piece[:min(left, int64(len(piece)))])
		if err != nil {
			return err
		}
		left -= int64(n)
		if err := c.writeData(piece[:n], left == 0 && len(r.Trailers) == 0); err != nil {
			return err
		}
	}
	if len(r.Trailers) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writeHeaders(nil, r.Trailers, true)
}

func (c *http2Conn) writeData(data []byte, end bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		n := min(int64(len(data)), c.window, c.streamWindow)
		switch {
		case c.ended:
			return fmt.Errorf("the stream ended before its request")
		case n <= 0:
			c.changed.Wait()
			continue
		}
		c.window -= n
		c.streamWindow -= n
		rest := data[n:]
		if err := c.framer.WriteData(c.stream, end && len(rest) == 0, data[:n]); err != nil || len(rest) == 0 {
			return err
		}
		data = rest
	}
}

// read reads frames until the stream is over.
func (c *http2Conn) read(goAhead chan<- bool) (o outcome) {
	d := newDigest()
	defer func() { d.put(&o) }()
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			o.Failure = fmt.Sprintf("%d, then: %s", o.Status, broke(err))
			return o
		}
		if frame.Header().StreamID != c.stream {
			if err := c.control(frame); err != nil {
				o.Failure = fmt.Sprintf("%d, then: %s", o.Status, broke(err))
				return o
			}
			continue
		}
		over := false
		switch f := frame.(type) {
		case *wire.MetaHeadersFrame:
			over = f.StreamEnded()
			takeHeaders(&o, f)
			if o.Continued && o.Status == 0 {
				select {
				case goAhead <- true:
				default:
				}
			}
		case *wire.DataFrame:
			over = f.StreamEnded()
			if _, err = d.Write(f.Data()); err == nil {
				err = c.giveBack(f.Length)
			}
		case *wire.RSTStreamFrame:
			o.Failure = fmt.Sprintf("%d, then: reset with %s", o.Status, f.ErrCode)
			return o
		case *wire.WindowUpdateFrame:
			c.grow(f.StreamID, int64(f.Increment))
		}
		if err != nil {
			o.Failure = fmt.Sprintf("%d, then: %s", o.Status, broke(err))
			return o
		}
		if over {
			return o
		}
	}
}

// takeHeaders takes a block of headers: an announcement, the answer's, or its trailers.
func takeHeaders(o *outcome, f *wire.MetaHeadersFrame) {
	h := make(http.Header)
	for _, e := range f.RegularFields() {
		h[e.Name] = append(h[e.Name], e.Value)
	}
	if status := f.PseudoValue("status"); status == strconv.Itoa(http.StatusContinue) {
		o.Continued = true
	} else if status != "" {
		o.Status, _ = strconv.Atoi(status)
		o.Headers, o.Trailers = lower(h), map[string][]string{}
	} else {
		o.Trailers = lower(h)
	}
}

// control obeys a frame that is not the stream's.
func (c *http2Conn) control(frame wire.Frame) error {
	switch f := frame.(type) {
	case *wire.SettingsFrame:
		if f.IsAck() {
			return nil
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if v, ok := f.Value(wire.SettingInitialWindowSize); ok {
			c.streamWindow += int64(v) - c.initialWindow
			c.initialWindow = int64(v)
			c.changed.Broadcast()
		}
		if v, ok := f.Value(wire.SettingHeaderTableSize); ok {
			c.hpack.SetMaxDynamicTableSizeLimit(v)
		}
		return c.framer.WriteSettingsAck()
	case *wire.PingFrame:
		if f.IsAck() {
			return nil
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.framer.WritePing(true, f.Data)
	case *wire.WindowUpdateFrame:
		if f.StreamID == 0 {
			c.grow(0, int64(f.Increment))
		}
	case *wire.GoAwayFrame:
		return fmt.Errorf("the connection was given up with %s %s", f.ErrCode, strings.TrimSpace(string(f.DebugData())))
	case *wire.DataFrame:
		return c.giveBack(f.Length) // of a stream that is over
	}
	return nil
}

func (c *http2Conn) grow(stream uint32, by int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stream == 0 {
		c.window += by
	} else {
		c.streamWindow += by
	}
	c.changed.Broadcast()
}

// giveBack lets the peer send on the connection what it has sent.
func (c *http2Conn) giveBack(n uint32) error {
	if n == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.framer.WriteWindowUpdate(0, n)
}
