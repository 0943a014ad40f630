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

	// maxTurns is how many turns others get at most. What waits then is taken for
	// streams that gRPC has ended before their handlers began.
	maxTurns = 100

	// greeting is how many bytes a client sends at least before gRPC goes on to its
	// streams: the preface, and the header of its SETTINGS (RFC 9113, section 3.4).
	greeting = len(http2.ClientPreface) + 9
)

// A guest is a connection that was let in.
type guest struct {
	net.Conn

	greeted func()             // is told once that greeting has come
	foreign func(what foreign) // is told once that the client speaks something else
	leave   func()             // likewise that the connection has ended

	share share // of the streams

	calls    []context.CancelFunc // the newest that are no streams; for called alone
	lastCall int

	received int          // bytes, up to greeting; for Read alone, likewise:
	first    [known]byte  // of them
	over     atomic.Bool  // nothing comes any more
	waiting  atomic.Int64 // streams whose handlers have not begun
}

// Read reads what the peer sends.
func (g *guest) Read(b []byte) (int, error) {
	g.yield()
	n, err := g.Conn.Read(b[:min(len(b), maxRead)])
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

// hear takes what comes first.
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

// maxCalls is how many calls that are no streams a connection has at a time. With one
// more the oldest is ended.
const maxCalls = 64

// called is told how to end a call that begins, by the goroutine that reads.
func (g *guest) called(end context.CancelFunc) {
	if len(g.calls) < maxCalls {
		g.calls = append(g.calls, end)
		return
	}
	g.calls[g.lastCall]() // does nothing where it has ended
	g.calls[g.lastCall] = end
	g.lastCall = (g.lastCall + 1) % maxCalls
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

// begun is told that the handler of a stream begins, which yield may have given up.
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

// What is read of a connection before it is closed. The system resets one that has
// bytes which nobody has read, and what was sent to the peer last is lost.
const (
	lastBytes = 64 << 10
	lastWait  = time.Millisecond
)

// Close closes the connection.
func (g *guest) Close() error {
	defer g.leave()
	if !g.over.Load() && g.SetReadDeadline(time.Now().Add(lastWait)) == nil {
		_, _ = io.CopyN(io.Discard, g.Conn, lastBytes) // as much as is there
	}
	return g.Conn.Close()
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
