package e2e

import (
	"io"
	"net"
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"

	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/internal/envoy"
)

// startEnvoy runs an Envoy until the test ends; log may be nil.
func startEnvoy(t *testing.T, binary string, config []byte, log io.Writer) *envoy.Process {
	t.Helper()
	p, err := envoy.Start(t.Context(), envoy.Options{Binary: binary, Config: config, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	atEnd(t, p.Stop)
	return p
}

// startEcho runs an application that says what it is sent, until the test ends.
func startEcho(t *testing.T) *echo.Server {
	t.Helper()
	s, err := echo.Start()
	if err != nil {
		t.Fatal(err)
	}
	atEnd(t, s.Close)
	return s
}

// serve runs a server in tagproc's place until the test ends.
func serve(t *testing.T, network, address string, p extprocv3.ExternalProcessorServer) net.Addr {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	extprocv3.RegisterExternalProcessorServer(server, p)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	atEnd(t, func() error {
		server.Stop()
		return <-served
	})
	return listener.Addr()
}

// atEnd calls stop when the test ends, which must end well.
func atEnd(t *testing.T, stop func() error) {
	t.Helper()
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
