package transport

import (
	"context"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/credentials"
	grpcpeer "google.golang.org/grpc/peer"
)

// The share of CPU time of one connection. Otherwise a peer that sends as fast as it can
// fills the queues of Go's scheduler, and the requests of others wait at their ends for
// each of the few turns that they need.
const (
	// maxRead is the most bytes of a connection that are read at a time, and longTurn
	// the number that are read or written before others get their turns.
	maxRead  = 8 << 10
	longTurn = 4 << 10

	// maxWaiting is how many streams of a connection may wait for their handlers to
	// begin. With more, others get turns before the next frame is read. Where many
	// connections have handlers, each has its part of maxAllWaiting, and where many
	// handlers run, leastWaiting.
	maxWaiting    = 16
	maxAllWaiting = 64
	leastWaiting  = 2

	// maxTurns is the most turns that others get. Streams that still wait then are taken
	// for ones that gRPC ended before their handlers began.
	maxTurns = 100

	// greeting is the fewest bytes that a client sends before gRPC turns to its streams:
	// the preface, and the header of its SETTINGS (RFC 9113, section 3.4).
	greeting = len(http2.ClientPreface) + 9
)

// A guest is an admitted connection.
type guest struct {
	net.Conn

	greeted func()             // called once, when the greeting has come
	foreign func(what foreign) // called once, when the client speaks something else
	leave   func()             // called once, when the connection ends

	share share // of the streams

	calls    []context.CancelFunc // the newest calls that are not streams; for called alone
	lastCall int

	buffer []byte // maxRead long, from the first read on; for Read alone
	unread []byte // of buffer; for Read alone
	failed error  // what ended the bytes in unread; for Read alone

	all      *streams     // that it has a part in; nil in tests
	handlers atomic.Int64 // that run for it

	received int          // bytes, up to greeting; for Read alone
	first    [known]byte  // the first ones; for Read alone
	over     atomic.Bool  // nothing more comes, or is to be read
	waiting  atomic.Int64 // streams whose handlers have not begun, and calls over maxCalls
}

// Read reads what the peer sends. gRPC has no buffer of its own: it reads the header of
// each frame and then the rest, so that yield and hold stand before every frame. One read
// of the connection may have the headers of hundreds of streams. The tap is no place to
// wait in: gRPC holds a lock of the connection there, which ending a stream needs.
func (g *guest) Read(b []byte) (int, error) {
	most := int64(maxWaiting)
	if g.all != nil {
		g.all.hold(g)
		most = g.all.mayWait()
	}
	g.yield(most)
	if len(g.unread) == 0 {
		if g.failed != nil {
			return 0, g.failed
		}
		if len(b) >= maxRead {
			return g.receive(b[:maxRead])
		}
		if g.buffer == nil {
			g.buffer = make([]byte, maxRead)
		}
		n, err := g.receive(g.buffer)
		g.unread, g.failed = g.buffer[:max(n, 0)], err
		if n <= 0 {
			return n, err
		}
	}
	n := copy(b, g.unread)
	g.unread = g.unread[n:]
	return n, nil
}

// receive reads from the connection.
func (g *guest) receive(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if err != nil {
		g.over.Store(true)
	}
	if g.received < greeting {
		g.hear(b[:max(n, 0)])
	}
	if n > longTurn {
		runtime.Gosched()
	}
	return n, err
}

// hear examines the first bytes.
func (g *guest) hear(b []byte) {
	before := g.received
	if before < known {
		copy(g.first[before:], b)
	}
	g.received += len(b)
	if before < known && g.received >= known {
		said := g.first[:]
		if before == 0 {
			said = b // has more of it
		}
		if what, ok := foreignBeginning(said); ok {
			g.foreign(what)
		}
	}
	if g.received >= greeting {
		g.greeted()
	}
}

// maxCalls is how many calls other than streams a connection has at a time. One more
// ends the oldest, and counts as a stream that waits.
const maxCalls = 64

// called notes how to end a call that begins. The goroutine that reads calls it.
func (g *guest) called(end context.CancelFunc) {
	if len(g.calls) < maxCalls {
		g.calls = append(g.calls, end)
		return
	}
	g.calls[g.lastCall]() // does nothing if it has ended
	g.calls[g.lastCall] = end
	g.waiting.Add(1) // gRPC does not say when such a call begins: others have turns meanwhile
	g.lastCall = (g.lastCall + 1) % maxCalls
}

// yield gives others their turns while more streams wait than may.
func (g *guest) yield(most int64) {
	for range maxTurns {
		if g.waiting.Load() <= most {
			return
		}
		runtime.Gosched()
	}
	g.waiting.Store(0)
}

// begun notes that the handler of a stream begins. yield may have given the stream up.
func (g *guest) begun() {
	for {
		n := g.waiting.Load()
		if n <= 0 || g.waiting.CompareAndSwap(n, n-1) {
			return
		}
	}
}

// Write writes what gRPC has collected.
func (g *guest) Write(b []byte) (int, error) {
	n, err := g.Conn.Write(b)
	if n > longTurn {
		runtime.Gosched()
	}
	return n, err
}

// What is read from a connection before it is closed. The system resets a connection
// with unread bytes, and the peer loses what was sent last.
const (
	lastBytes = 64 << 10
	lastWait  = time.Millisecond
)

// Close closes the connection.
func (g *guest) Close() error {
	defer g.leave()
	if !g.over.Swap(true) && g.SetReadDeadline(time.Now().Add(lastWait)) == nil {
		_, _ = io.CopyN(io.Discard, g.Conn, lastBytes) // as much as has come
	}
	return g.Conn.Close()
}

// An admission is what gRPC keeps for a connection and hands out with its streams.
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
	return new(guest) // cannot happen: every connection passes the door
}
