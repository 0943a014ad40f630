package chaos

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tagproc/tagproc/processor"
)

// A peer is one connection to tagproc that speaks HTTP/2 in frames and has none
// of the manners of a client library. It is used by one goroutine.
type peer struct {
	conn   net.Conn
	out    bytes.Buffer // what send writes
	frames *http2.Framer

	reading sync.WaitGroup
	ended   atomic.Int64 // streams that tagproc has ended, as far as they were read
}

// dial opens a connection and sends nothing.
func dial(ctx context.Context, address string) (*peer, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	p := &peer{conn: conn}
	p.frames = http2.NewFramer(&p.out, nil)
	p.frames.AllowIllegalWrites = true
	return p, nil
}

// greet opens a connection, greets as a client does and reads from now on.
func greet(ctx context.Context, address string, settings ...http2.Setting) (*peer, error) {
	p, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	p.readOn()
	if err := errors.Join(p.greeting(settings...), p.send()); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// close ends the connection and what reads from it.
func (p *peer) close() {
	p.conn.Close()
	p.reading.Wait()
}

// send writes what was put into the buffer.
func (p *peer) send() error {
	_, err := p.conn.Write(p.out.Bytes())
	p.out.Reset()
	return err
}

// greeting puts the preface and the settings into the buffer.
func (p *peer) greeting(settings ...http2.Setting) error {
	p.out.WriteString(http2.ClientPreface)
	return p.frames.WriteSettings(settings...)
}

// open puts the headers of the n-th stream of the connection, counted from 0,
// into the buffer: a call of ext_proc.
func (p *peer) open(n int) error {
	return p.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: streamID(n), BlockFragment: processHeaders, EndHeaders: true})
}

// ask puts the n-th stream and a whole request in it into the buffer.
func (p *peer) ask(n int) error {
	return errors.Join(p.open(n), p.frames.WriteData(streamID(n), false, jackAsks))
}

// readOn counts, from now on, the streams that tagproc ends. It grants no window.
func (p *peer) readOn() {
	p.reading.Go(func() {
		in := http2.NewFramer(nil, p.conn)
		in.SetReuseFrames()
		ended := make(map[uint32]bool) // a stream may end by both
		for {
			frame, err := in.ReadFrame()
			if err != nil {
				return
			}
			switch f := frame.(type) {
			case *http2.RSTStreamFrame:
				ended[f.StreamID] = true
			case *http2.HeadersFrame:
				if f.StreamEnded() {
					ended[f.StreamID] = true
				}
			}
			p.ended.Store(int64(len(ended)))
		}
	})
}

// closedBy waits until tagproc has closed the connection, and reports whether it
// did before the deadline. Nothing else may read.
func (p *peer) closedBy(deadline time.Time) bool {
	if p.conn.SetReadDeadline(deadline) != nil {
		return true
	}
	_, err := io.Copy(io.Discard, p.conn)
	timeout, ok := errors.AsType[net.Error](err)
	return !ok || !timeout.Timeout()
}

// streamID is the id of the n-th stream that a client opens, counted from 0.
func streamID(n int) uint32 { return uint32(2*n + 1) }

// processHeaders are the headers of a call of ext_proc. They mean the same on
// every connection and at every place in it.
var processHeaders = headerBlock(
	":method", "POST", ":scheme", "http", ":path", "/"+processor.ServiceName+"/Process", ":authority", "tagproc",
	"content-type", "application/grpc", "te", "trailers",
)

// headerBlock encodes headers, given as names and values in turn. Each is
// sensitive for HPACK, which keeps it out of the table that a connection has.
func headerBlock(fields ...string) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		field := hpack.HeaderField{Name: fields[i], Value: fields[i+1], Sensitive: true}
		if err := encoder.WriteField(field); err != nil {
			panic(fmt.Sprintf("encoding %v into memory: %v", field, err))
		}
	}
	return block.Bytes()
}

// prefixed returns data behind the prefix of a gRPC message of length bytes.
func prefixed(length int, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(length)), data...)
}
