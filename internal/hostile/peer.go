package hostile

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

// A Peer is one connection to tagproc that speaks HTTP/2 in frames and has none
// of the manners of a client library. It is used by one goroutine.
type Peer struct {
	Conn   net.Conn
	Out    bytes.Buffer  // what Send writes
	Frames *http2.Framer // writes into Out

	reading sync.WaitGroup
	reads   atomic.Bool  // ReadOn reads, and tagproc has not closed the connection
	Ended   atomic.Int64 // streams that tagproc has ended, as far as they were read
}

// Dial opens a connection and sends nothing.
func Dial(ctx context.Context, address string) (*Peer, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	p := &Peer{Conn: conn}
	p.Frames = http2.NewFramer(&p.Out, nil)
	p.Frames.AllowIllegalWrites = true
	return p, nil
}

// Greet opens a connection, greets as a client does and reads from now on.
func Greet(ctx context.Context, address string, settings ...http2.Setting) (*Peer, error) {
	p, err := Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	p.ReadOn()
	if err := errors.Join(p.Greeting(settings...), p.Send()); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close ends the connection and what reads from it.
func (p *Peer) Close() {
	p.Conn.Close()
	p.reading.Wait()
}

// Send writes what was put into the buffer.
func (p *Peer) Send() error {
	_, err := p.Conn.Write(p.Out.Bytes())
	p.Out.Reset()
	return err
}

// Greeting puts the preface and the settings into the buffer.
func (p *Peer) Greeting(settings ...http2.Setting) error {
	p.Out.WriteString(http2.ClientPreface)
	return p.Frames.WriteSettings(settings...)
}

// Open puts the headers of the n-th stream of the connection, counted from 0,
// into the buffer: a call of ext_proc.
func (p *Peer) Open(n int) error {
	return p.Frames.WriteHeaders(http2.HeadersFrameParam{StreamID: StreamID(n), BlockFragment: processHeaders, EndHeaders: true})
}

// OpenShort is Open in 15 bytes from the second stream on: hundreds of streams come with
// one read. The streams of a connection are to be opened by it alone.
func (p *Peer) OpenShort(n int) error { return p.openShort(n, false) }

// OpenAndEndShort is OpenShort of streams on which nothing more comes.
func (p *Peer) OpenAndEndShort(n int) error { return p.openShort(n, true) }

func (p *Peer) openShort(n int, last bool) error {
	block := shortHeaders
	if n == 0 {
		block = learntHeaders
	}
	return p.Frames.WriteHeaders(http2.HeadersFrameParam{StreamID: StreamID(n), BlockFragment: block, EndHeaders: true, EndStream: last})
}

// Ask puts the n-th stream and a whole request in it into the buffer.
func (p *Peer) Ask(n int) error {
	return errors.Join(p.Open(n), p.Frames.WriteData(StreamID(n), false, jackAsks))
}

// ReadOn counts, from now on, the streams that tagproc ends. It grants no window.
func (p *Peer) ReadOn() {
	p.reads.Store(true)
	p.reading.Go(func() {
		defer p.reads.Store(false)
		in := http2.NewFramer(nil, p.Conn)
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
			p.Ended.Store(int64(len(ended)))
		}
	})
}

// ClosedBy waits until tagproc has closed the connection, and reports whether it
// did before the deadline. Nothing else may read.
func (p *Peer) ClosedBy(deadline time.Time) bool {
	if p.Conn.SetReadDeadline(deadline) != nil {
		return true
	}
	_, err := io.Copy(io.Discard, p.Conn)
	timeout, ok := errors.AsType[net.Error](err)
	return !ok || !timeout.Timeout()
}

// StreamID is the id of the n-th stream that a client opens, counted from 0.
func StreamID(n int) uint32 { return uint32(2*n + 1) }

// processHeaders are the headers of a call of ext_proc. They mean the same on
// every connection and at every place in it.
var processHeaders = callHeaders("/" + processor.ServiceName + "/Process")

// callHeaders are the headers of a call of a method, as a header block.
func callHeaders(method string) []byte {
	return headerBlock(
		":method", "POST", ":scheme", "http", ":path", method, ":authority", "tagproc",
		"content-type", "application/grpc", "te", "trailers",
	)
}

// learntHeaders are those of processHeaders to learn, and shortHeaders name what was
// learnt.
var learntHeaders, shortHeaders = func() (first, next []byte) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encode := func() []byte {
		block.Reset()
		for _, f := range []hpack.HeaderField{
			{Name: ":method", Value: "POST"},
			{Name: ":scheme", Value: "http"},
			{Name: ":path", Value: "/" + processor.ServiceName + "/Process"},
			{Name: ":authority", Value: "tagproc"},
			{Name: "content-type", Value: "application/grpc"},
			{Name: "te", Value: "trailers"},
		} {
			if err := encoder.WriteField(f); err != nil {
				panic(fmt.Sprintf("encoding %v into memory: %v", f, err))
			}
		}
		return bytes.Clone(block.Bytes())
	}
	return encode(), encode()
}()

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

// Prefixed returns data behind the prefix of a gRPC message of length bytes.
func Prefixed(length int, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(length)), data...)
}
