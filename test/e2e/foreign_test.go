package e2e

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	extproc "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/mesh"
)

// TestForeign checks that the requests of a wrongly configured Envoy pass untagged, and
// that tagproc counts and names the cause.
func TestForeign(t *testing.T) {
	withoutHTTP2 := regexp.MustCompile(`(?m)(  - name: tagproc\n    connect_timeout: 1s\n)    typed_extension_protocol_options:\n.*\n.*\n.*\n`)
	envoyGRPC := regexp.MustCompile(`(?s)envoy_grpc: \{cluster_name: tagproc, skip_envoy_headers: true\}.*?retry_back_off: [^\n]*\n`)
	const plainTLS = `transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
`
	envoytest.Each(t, func(t *testing.T, envoy string) {
		t.Helper()
		t.Parallel()
		for _, tt := range []struct {
			name, protocol, line string
			edit                 func(t *testing.T, config string, port int) string
		}{
			{"cluster without HTTP/2", "http1", "http2_protocol_options", func(_ *testing.T, config string, _ int) string {
				return withoutHTTP2.ReplaceAllString(config, "$1")
			}},
			{"TLS", "tls", "remove the transport_socket", func(t *testing.T, config string, _ int) string {
				t.Helper()
				return insertBefore(t, config, "    load_assignment:\n      cluster_name: tagproc\n", plainTLS)
			}},
			{"gzip", "compressed", "encoding=gzip", func(_ *testing.T, config string, port int) string {
				return envoyGRPC.ReplaceAllString(config, fmt.Sprintf(
					"google_grpc: {target_uri: 127.0.0.1:%d, stat_prefix: tagproc, channel_args: {args: {grpc.default_compression_algorithm: {int_value: 2}}}}\n", port))
			}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				rulesFile := filepath.Join(t.TempDir(), "rules.yaml")
				writeFile(t, rulesFile, []byte("rules: [{header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 100, tagValue: s2}]}]\n"))
				p := startOn(t, "127.0.0.1:0", rulesFile)
				port := p.port(t)
				m := startMeshWith(t, mesh.Options{
					Binary: envoy, Tagproc: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port},
					Edit: func(config string) string {
						edited := tt.edit(t, config, port)
						if edited == config {
							t.Fatal("the edit changes nothing")
						}
						return edited
					},
				})
				trace, err := m.Get(t.Context(), "mocka", http.Header{"X-User-Id": {"jack"}})
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(trace[0].Tags["x-asm-prefer-tag"], ", "); got != "" {
					t.Errorf("tag = %q, want none", got)
				}
				eventually(t, "tagproc counts it", func() bool {
					return p.metric(t, `tagproc_foreign_protocol_total{protocol="`+tt.protocol+`"}`) > 0
				})
				eventually(t, "tagproc logs it with the client", func() bool {
					log := p.log.String()
					return strings.Contains(log, tt.line) && strings.Contains(log, "client=127.0.0.1:")
				})
			})
		}
	})
}

// full is a server that ends each stream at once and well, as tagproc does when it
// has as many as memory is meant for.
type full struct {
	extproc.UnimplementedExternalProcessorServer
}

func (full) Process(extproc.ExternalProcessor_ProcessServer) error { return nil }

// TestStreamRefused checks that a request whose stream ends without an answer passes,
// in either failure mode, and that the access log says tagproc=10 of it.
func TestStreamRefused(t *testing.T) {
	envoytest.Each(t, func(t *testing.T, envoy string) {
		t.Helper()
		t.Parallel()
		address := serve(t, "tcp", "127.0.0.1:0", full{})
		for _, mode := range []string{"true", "false"} {
			m, log := startMeshAndLog(t, mesh.Options{Binary: envoy, Tagproc: address, Edit: func(config string) string {
				return strings.Replace(config, "failure_mode_allow: true", "failure_mode_allow: "+mode, 1)
			}})
			if got, want := logged(t, m, log, "jack"), (line{status: "10", why: "-"}); got != want {
				t.Errorf("failure_mode_allow: %s: the line ends in %+v, want %+v", mode, got, want)
			}
		}
	})
}
