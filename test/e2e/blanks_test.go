package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/chain"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/mesh"
)

// TestBlanks checks that blanks around a key are not part of it. Envoy keeps them over
// HTTP/2.
func TestBlanks(t *testing.T) {
	envoytest.Each(t, testBlanks)
}

func testBlanks(t *testing.T, envoy string) {
	t.Helper()
	t.Parallel()
	dir := t.TempDir()
	socket, rulesFile := filepath.Join(dir, "tagproc.sock"), filepath.Join(dir, "rules.yaml")
	m := startMesh(t, envoy, socket)
	writeFile(t, rulesFile, []byte(strings.Replace(lanes, "  policies:", "  overrides: [{values: [bob], tagValue: s9}]\n  policies:", 1)))
	start(t, socket, rulesFile)
	client := overHTTP2(t)
	for key, want := range map[string]string{
		"jack": "s2", " jack": "s2", "jack ": "s2", "jack\t": "s2", " \tjack\t \t": "s2",
		"stacy": "s1", " stacy ": "s1",
		"bob": "s9", "bob ": "s9", "\tbob": "s9",
		"ja ck": "s2",
		"":      "", " ": "", "\t": "", strings.Repeat(" \t", 1000): "",
	} {
		t.Run(fmt.Sprintf("%.20q", key), func(t *testing.T) {
			trace, err := traceOf(t, client, m, "mocka", http.Header{"x-user-id": {key}})
			if err != nil {
				t.Fatal(err)
			}
			checkTag(t, trace[0].Tags, want)
		})
	}
}

// overHTTP2 returns a client that sends values of headers as they are.
func overHTTP2(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// traceOf returns the hops that a request with these headers reached.
func traceOf(t *testing.T, c *http.Client, m *mesh.Mesh, host string, headers http.Header) (trace chain.Trace, err error) {
	t.Helper()
	err = m.Patiently(t.Context(), func() error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+m.Ingress(), http.NoBody)
		if err != nil {
			return err
		}
		r.Host, r.Header = host, headers
		r.Header.Set("Accept", "application/json")
		response, err := c.Do(r)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK || response.ProtoMajor != 2 {
			return fmt.Errorf("%s %s, want HTTP/2 and 200", response.Proto, response.Status)
		}
		return json.NewDecoder(response.Body).Decode(&trace)
	})
	return trace, err
}
