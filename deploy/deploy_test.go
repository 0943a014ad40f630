package deploy

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEnvoyUnixDiffersInOneLine(t *testing.T) {
	t.Parallel()
	const (
		tcp  = "address: {socket_address: {address: 127.0.0.1, port_value: 9002}}"
		unix = "address: {pipe: {path: /run/tagproc.sock}}"
	)
	if n := strings.Count(Envoy, tcp); n != 1 {
		t.Fatalf("envoy.yaml has %d lines %q, want 1", n, tcp)
	}
	want := strings.Split(strings.Replace(Envoy, tcp, unix, 1), "\n")
	got := strings.Split(EnvoyUnix, "\n")
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("envoy-unix.yaml:%d:\n\t%q\nwant, as envoy.yaml with the socket's address:\n\t%q", i+1, g, w)
		}
	}
}
