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
	var trace chain.Trace
	if err := m.Patiently(t.Context(), func() (err error) {
		trace, err = getOnce(m, app, lines...)
		return err
	}); err != nil {
		t.Fatalf("%d header lines, the first %.200q: %v", len(lines), strings.Join(lines[:min(3, len(lines))], "; "), err)
	}
	return trace
}

func getOnce(m *mesh.Mesh, app string, lines ...string) (trace chain.Trace, err error) {
	err = getInto(&trace, m, app, lines...)
	return trace, err
}

// getInto asks once, and reads the answer, which is JSON, into answer.
func getInto(answer any, m *mesh.Mesh, host string, lines ...string) error {
	_, err := ask(answer, m.Ingress(), host, lines...)
	return err
}

// ask does the same at any address, and returns the headers of the answer.
func ask(answer any, address, host string, lines ...string) (http.Header, error) {
	conn, err := net.DialTimeout("tcp", address, limit)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\nConnection: close\r\n", host)
	for _, l := range lines {
		fmt.Fprintf(conn, "%s\r\n", l)
	}
	fmt.Fprint(conn, "\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s, want 200", response.Status)
	}
	return response.Header, json.NewDecoder(response.Body).Decode(answer)
}
