package admin

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// limit bounds every wait for a condition.
const limit = 30 * time.Second

// serve runs a server on the loopback until the test ends, and returns its address.
func serve(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(Handler(prometheus.NewRegistry(), func() error { return nil }, Options{}), Options{}, nil)
	served := make(chan error, 1)
	go func() { served <- s.Serve(Bound(l)) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// healthy checks that a probe, on a connection of its own, gets its answer.
func healthy(t *testing.T, address string) {
	t.Helper()
	client := http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("/healthz = %s, want 200", response.Status)
	}
}

// TestBounds checks that peers that hold connections, in each way there is, have a
// bounded number of them and of bytes, and that a probe gets its answer beside them.
func TestBounds(t *testing.T) {
	for name, send := range map[string]string{
		"silent":             "",
		"idle":               "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
		"an unfinished line": "GET /" + strings.Repeat("a", 990_000),
		"unfinished headers": "GET /healthz HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("x: y\r\n", 100_000),
		"an unfinished body": "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n",
		"unread answers":     strings.Repeat("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 50),
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t)
			healthy(t, address)
			before := held()
			var conns []net.Conn
			defer func() {
				for _, c := range conns {
					c.Close()
				}
			}()
			for range 400 {
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				conns = append(conns, c)
				_ = c.SetWriteDeadline(time.Now().Add(limit))
				_, _ = io.WriteString(c, send) // refused in the middle, where it is too much
			}
			healthy(t, address)
			awaitOpen(t, conns)
			// Of a request there are its bytes, twice at most, and net/http's buffers.
			if got, most := int(held()-before), MaxConnections*80<<10; got > most {
				t.Errorf("%d KiB are held, want at most %d", got>>10, most>>10)
			}
			healthy(t, address)
		})
	}
}

// held returns the bytes of the live heap.
func held() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// awaitOpen waits until the server has closed all but MaxConnections.
func awaitOpen(t *testing.T, conns []net.Conn) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		open := 0
		for _, c := range conns {
			if isOpen(c) {
				open++
			}
		}
		if open <= MaxConnections {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open, want at most %d", open, MaxConnections)
		}
	}
}

// isOpen reports whether the server has not closed a connection.
func isOpen(c net.Conn) bool {
	buffer := make([]byte, 64<<10)
	for {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := c.Read(buffer); err != nil {
			return errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}

// TestUnfinishedRequestsEnd checks that a request that does not come to its end ends
// after the time to read it, while nobody else comes.
func TestUnfinishedRequestsEnd(t *testing.T) {
	address := serve(t)
	for _, send := range []string{"", "GET /healthz", "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nx"} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := io.WriteString(c, send); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(limit))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a connection with %q is open after %v", send, limit)
		}
	}
}
