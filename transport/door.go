package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/credentials"

	"github.com/tagproc/tagproc/internal/seldom"
)

// Every connection of a server passes its door first, whichever listener accepted it:
// gRPC asks credentials to shake hands with each. The door counts connections, refuses
// one too many, and does TLS on those from a listener with TLS.
type door struct {
	max     int64
	metrics *metrics
	log     *slog.Logger
	streams *streams

	foreigners *foreigners

	inside atomic.Int64
	logged seldom.Second // of failed handshakes

	mu       sync.Mutex
	closed   bool
	arriving map[*guest]bool // those that have not greeted
}

var (
	errTooMany  = errors.New("too many connections")
	errClosed   = errors.New("the server is stopping")
	errNoClient = errors.New("credentials are for servers only")
)

// ServerHandshake admits a connection, or returns an error, and gRPC closes it.
func (d *door) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if d.inside.Add(1) > d.max {
		d.inside.Add(-1)
		d.metrics.refused.Inc()
		return nil, nil, errTooMany
	}
	d.metrics.connections.Inc()
	g := &guest{Conn: conn, all: d.streams}
	g.greeted = func() { d.heard(g) }
	g.foreign = func(what foreign) { d.foreigners.met(what, conn.RemoteAddr()) }
	g.leave = sync.OnceFunc(func() {
		d.heard(g)
		d.inside.Add(-1)
		d.metrics.connections.Dec()
	})
	if !d.listenTo(g) {
		g.leave()
		return nil, nil, errClosed
	}
	info := admission{guest: g}
	info.SecurityLevel = credentials.NoSecurity
	if t, ok := conn.(*tls.Conn); ok {
		if err := t.Handshake(); err != nil {
			g.leave()
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) { // a probe, or close
				d.handshakeFailed(conn, err)
			}
			return nil, nil, err
		}
		info.State, info.SecurityLevel = t.ConnectionState(), credentials.PrivacyAndIntegrity
	}
	return g, info, nil
}

// listenTo notes that g has not greeted yet, unless the door is closed.
func (d *door) listenTo(g *guest) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.arriving[g] = true
	}
	return !d.closed
}

// heard notes that g has greeted or has gone.
func (d *door) heard(g *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.arriving, g)
}

// close refuses new connections, and ends those that have not greeted.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for g := range d.arriving {
		g.Conn.Close()
	}
}

// handshakeFailed counts a failed handshake and logs it, at most once per second.
func (d *door) handshakeFailed(conn net.Conn, err error) {
	d.metrics.handshakeFailures.Inc()
	if isPlain(err) {
		d.foreigners.met(plainOnTLS, conn.RemoteAddr())
		return
	}
	if d.logged.First() {
		d.log.Warn("TLS handshake with a client failed; its connection is closed", "client", conn.RemoteAddr().String(), "error", err)
	}
}

// Info describes the door to gRPC.
func (d *door) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "as the listener"}
}

// Clone returns the door itself, since its state belongs to the server.
func (d *door) Clone() credentials.TransportCredentials { return d }

// ClientHandshake fails: a door has one side.
func (d *door) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errNoClient
}

// OverrideServerName fails too.
func (d *door) OverrideServerName(string) error { return fmt.Errorf("server name: %w", errNoClient) }
