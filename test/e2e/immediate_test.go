package e2e

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/mesh"
)

// An impostor is a server in tagproc's place that answers requests itself.
type impostor struct {
	extprocv3.UnimplementedExternalProcessorServer
}

func (impostor) Process(stream extprocv3.ExternalProcessor_ProcessServer) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	return stream.Send(&extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ImmediateResponse{
		ImmediateResponse: &extprocv3.ImmediateResponse{Status: &typev3.HttpStatus{Code: typev3.StatusCode_PaymentRequired}},
	}})
}

// TestNobodyAnswersForTheApplications holds that the shipped configuration leaves
// the answers to the applications, whoever has taken tagproc over.
func TestNobodyAnswersForTheApplications(t *testing.T) {
	envoytest.Each(t, func(t *testing.T, binary string) {
		t.Helper()
		t.Parallel()
		socket := filepath.Join(t.TempDir(), "impostor.sock")
		listener, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		extprocv3.RegisterExternalProcessorServer(server, impostor{})
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		t.Cleanup(func() {
			server.Stop()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
		m := startMeshWith(t, mesh.Options{Binary: binary, Tagproc: listener.Addr()})
		if _, err := m.Get(t.Context(), "mocka", http.Header{"X-User-Id": {"jack"}}); err != nil {
			t.Errorf("a request behind a server that answers 402 itself: %v; want the application's answer", err)
		}

		allowed := startMeshWith(t, mesh.Options{Binary: binary, Tagproc: listener.Addr(), Edit: func(config string) string {
			return strings.Replace(config, "disable_immediate_response: true", "disable_immediate_response: false", 1)
		}})
		if _, err := allowed.Get(t.Context(), "mocka", nil); err == nil || !strings.Contains(err.Error(), "402") {
			t.Errorf("without disable_immediate_response: %v; want the 402 that the setting prevents", err)
		}
	})
}
