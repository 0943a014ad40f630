package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/chain"
	"github.com/tagproc/tagproc/internal/mesh"
)

// get sends a request whose header lines are sent byte by byte as they are given,
// which net/http would not do, and returns the hops that it reached.
func get(t *testing.T, m *mesh.Mesh, app string, lines ...string) chain.Trace {
	t.Helper()
	conn, err := net.DialTimeout("tcp", m.Ingress(), limit)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\nConnection: close\r\n", app)
	for _, l := range lines {
		fmt.Fprintf(conn, "%s\r\n", l)
	}
	fmt.Fprint(conn, "\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(lines, "; "), err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%d header lines: status %s, want 200", len(lines), response.Status)
	}
	var trace chain.Trace
	if err := json.NewDecoder(response.Body).Decode(&trace); err != nil {
		t.Fatal(err)
	}
	return trace
}
