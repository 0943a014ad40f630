package transport

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/credentials/insecure"
)

// connect opens a connection and says nothing.
func connect(t *testing.T, network, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// awaitClosed reads what comes until the server closes a connection.
func awaitClosed(t *testing.T, conn net.Conn) (received []byte) {
	t.Helper()
	received, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("after %v the connection is still open", limit)
	}
	return received
}

// TestClose checks that a door that is closed ends the connections that have not
// greeted, leaves the others, and lets nobody in.
func TestClose(t *testing.T) {
	t.Parallel()
	m := newMetrics(nil)
	log := slog.New(slog.DiscardHandler)
	d := &door{max: 10, metrics: m, log: log, foreigners: newForeigners(log, m), arriving: map[*guest]bool{}}
	enter := func() (outside, inside net.Conn, err error) {
		t.Helper()
		outside, conn := net.Pipe()
		t.Cleanup(func() { outside.Close() })
		inside, _, err = d.ServerHandshake(conn)
		if err != nil {
			conn.Close()
		} else {
			t.Cleanup(func() { inside.Close() })
		}
		return outside, inside, err
	}
	silent, _, err := enter()
	if err != nil {
		t.Fatal(err)
	}
	greeted, inside, err := enter()
	if err != nil {
		t.Fatal(err)
	}
	say := func(words string) {
		t.Helper()
		said := make(chan error, 1)
		go func() {
			_, err := io.WriteString(greeted, words)
			said <- err
		}()
		if _, err := io.ReadFull(inside, make([]byte, len(words))); err != nil {
			t.Fatalf("a connection that greets: %v", err)
		}
		if err := <-said; err != nil {
			t.Fatal(err)
		}
	}
	say(strings.Repeat("x", greeting))
	d.close()
	awaitClosed(t, silent)
	if _, _, err := enter(); !errors.Is(err, errClosed) {
		t.Errorf("a connection that comes later: %v, want %v", err, errClosed)
	}
	say("and goes on")
}

// TestMaxConnections checks that one connection too many, over all listeners, is
// closed at once, and that one that ends makes room.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "t.sock")
	r := start(t, Options{MaxConnections: 3},
		listen(t, "127.0.0.1:0", ListenOptions{}), listen(t, UnixScheme+socket, ListenOptions{}))
	var greeted []net.Conn
	for range 3 {
		p := r.rawPeer(t)
		if _, err := p.ReadFrame(); err != nil {
			t.Fatal(err)
		}
		greeted = append(greeted, p)
	}
	awaitMetric(t, r.registry, "tagproc_connections", 3)
	for _, network := range []string{"tcp", "unix"} {
		address := map[string]string{"tcp": r.addresses[0], "unix": socket}[network]
		if got := awaitClosed(t, connect(t, network, address)); len(got) > 0 {
			t.Errorf("one too many by %s: %d bytes came, want that it is closed at once", network, len(got))
		}
	}
	awaitMetric(t, r.registry, "tagproc_connections_refused_total", 2)
	greeted[0].Close()
	awaitMetric(t, r.registry, "tagproc_connections", 2)
	conn := dial(t, "unix://"+socket, insecure.NewCredentials())
	if err := echo(open(t, conn, echoMethod), "hello"); err != nil {
		t.Errorf("where one has gone, another is not served: %v", err)
	}
	conn.Close()
	awaitMetric(t, r.registry, "tagproc_connections", 2)
}

// TestSilentConnections checks that connections on which nothing comes count, and
// are closed.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	r := start(t, Options{MaxConnections: 3})
	silent := []net.Conn{connect(t, "tcp", r.addresses[0]), connect(t, "tcp", r.addresses[0]), connect(t, "tcp", r.addresses[0])}
	awaitMetric(t, r.registry, "tagproc_connections", 3)
	if got := awaitClosed(t, connect(t, "tcp", r.addresses[0])); len(got) > 0 {
		t.Errorf("beside as many silent connections as allowed, one more is let in")
	}
	for _, conn := range silent {
		awaitClosed(t, conn)
	}
	awaitMetric(t, r.registry, "tagproc_connections", 0)
	if err := echo(open(t, r.dial(t), echoMethod), "hello"); err != nil {
		t.Errorf("after them a client is not served: %v", err)
	}
}

// TestGarbage checks that a peer that speaks something else leaves nothing behind.
func TestGarbage(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for _, garbage := range []string{"GET / HTTP/1.1\r\nhost: test\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n"} {
		conn := connect(t, "tcp", r.addresses[0])
		if _, err := io.WriteString(conn, garbage); err != nil {
			t.Fatal(err)
		}
		awaitClosed(t, conn)
		awaitMetric(t, r.registry, "tagproc_connections", 0)
	}
}
