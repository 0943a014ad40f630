package fleet

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestServerSpeaksFirst asks the port of a server that sends its first bytes at once, as
// servers of HTTP/2 do.
func TestServerSpeaksFirst(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Write([]byte("\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00@\x00\x00\x03\x00\x00\n\x00"))
				_, _ = conn.Read(make([]byte, 1<<10)) // the request
			}()
		}
	}()
	address := netip.MustParseAddrPort(listener.Addr().String()).String()
	for range 50 {
		client := Client{Timeout: time.Minute}
		if r := client.ask(t.Context(), Place{Network: "tcp", Address: address}); !strings.Contains(r.Unreachable, "speaks no HTTP/1.1") {
			t.Fatalf("asked, it says %q", r.Unreachable)
		}
	}
}
