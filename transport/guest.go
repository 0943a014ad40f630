package transport

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/credentials"
	grpcpeer "google.golang.org/grpc/peer"
)

// What one connection may have of the processor. A peer that sends as fast as it
// can otherwise fills the queues of Go's scheduler, at whose ends the requests of
// others wait, for each of the handful of turns that they take.
const (
	// maxRead is how many bytes of a connection are read at a time, and longTurn
	// how many are read or written before others get their turns.
	maxRead  = 8 << 10
	longTurn = 4 << 10

	// maxWaiting is how many streams of a connection may wait for their handlers to
	// begin. With more, others get turns before the next bytes are read.
	maxWaiting = 16

	// maxTurns is how many turns others get at most. What waits then is not
	// streams: some end before their handlers begin, unseen.
	maxTurns = 100

	// maxCalls is how many calls that are no streams, such as health checks, a
	// connection may have open.
	maxCalls = 64

	// maxIdleFrames is how many frames a peer may send in a row, within idlePeriod,
	// that bring neither headers nor data. One that gives up all its streams at once
	// sends maxStreams. A quiet one that pings, or answers pings, sends few but goes
	// on for days.
	maxIdleFrames = 2 * maxStreams
	idlePeriod    = 10 * time.Second
)

var errIdleFrames = errors.New("the peer floods its connection with frames that bring nothing")

// A guest is a connection that was let in.
type guest struct {
	net.Conn

	leave   func()
	waiting atomic.Int64 // streams whose handlers have not begun
	calls   atomic.Int64 // calls that are no streams
	frames  frames       // that were read
}

// Read reads what the peer sends.
func (g *guest) Read(b []byte) (int, error) {
	g.yield()
	n, err := g.Conn.Read(b[:min(len(b), maxRead)])
	if !g.frames.read(b[:n], time.Now()) {
		return 0, errIdleFrames
	}
	if n > longTurn {
		runtime.Gosched()
	}
	return n, err
}

// yield gives others their turns while too many streams wait.
func (g *guest) yield() {
	for range maxTurns {
		if g.waiting.Load() <= maxWaiting {
			return
		}
		runtime.Gosched()
	}
	g.waiting.Store(0)
}

// Write writes what gRPC has collected.
func (g *guest) Write(b []byte) (int, error) {
	n, err := g.Conn.Write(b)
	if n > longTurn {
		runtime.Gosched()
	}
	return n, err
}

// Close closes the connection.
func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}

// frames counts frames by their headers, of which a read may have a part.
type frames struct {
	header [9]byte // as in RFC 9113, section 4.1
	have   int     // bytes of header
	skip   int     // bytes until the next header
	idle   int     // frames since the last one that brought something, or since:
	since  time.Time
}

// newFrames begins before the preface of a client.
func newFrames() frames { return frames{skip: len(http2.ClientPreface)} }

// read takes the next bytes, and returns false when there are too many frames that
// bring nothing.
func (f *frames) read(b []byte, now time.Time) bool {
	if now.Sub(f.since) > idlePeriod {
		f.idle, f.since = 0, now
	}
	for {
		skip := min(f.skip, len(b))
		f.skip -= skip
		b = b[skip:]
		n := copy(f.header[f.have:], b)
		f.have += n
		b = b[n:]
		if f.have < len(f.header) {
			return true
		}
		f.have = 0
		f.skip = int(f.header[0])<<16 | int(f.header[1])<<8 | int(f.header[2])
		if f.idle++; f.brings() {
			f.idle = 0
		}
		if f.idle > maxIdleFrames {
			return false
		}
	}
}

// brings reports whether a frame, by its header, brings headers or data.
func (f *frames) brings() bool {
	switch http2.FrameType(f.header[3]) {
	case http2.FrameHeaders:
		return true
	case http2.FrameData:
		return f.skip > 0 || http2.Flags(f.header[4]).Has(http2.FlagDataEndStream)
	}
	return false
}

// An admission is what gRPC keeps of a connection and hands out with its streams.
type admission struct {
	credentials.TLSInfo // the zero value if it has none

	guest *guest
}

// AuthType is "tls" or nothing.
func (a admission) AuthType() string {
	if a.SecurityLevel == credentials.PrivacyAndIntegrity {
		return a.TLSInfo.AuthType()
	}
	return ""
}

// guestOf returns the connection of a stream.
func guestOf(ctx context.Context) *guest {
	if p, ok := grpcpeer.FromContext(ctx); ok {
		if a, ok := p.AuthInfo.(admission); ok {
			return a.guest
		}
	}
	return new(guest) // of nobody: every connection comes through the door
}
