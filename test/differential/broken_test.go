package differential

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"

	"github.com/tagproc/tagproc/internal/envoy"
)

// A broken processor is what tagproc must not be: it answers as the function says, and
// ends each stream after the request's headers unless it is to stay.
type broken struct {
	extprocv3.UnimplementedExternalProcessorServer
	reply func(*extprocv3.ProcessingRequest) *extprocv3.ProcessingResponse
	stays bool
}

// Process answers until there is nothing to be sent.
func (b *broken) Process(stream grpc.BidiStreamingServer[extprocv3.ProcessingRequest, extprocv3.ProcessingResponse]) error {
	message, err := stream.Recv()
	for err == nil {
		if err = stream.Send(b.reply(message)); err != nil || !b.stays {
			break
		}
		message, err = stream.Recv()
	}
	if errors.Is(err, io.EOF) {
		return nil // Envoy is done
	}
	return err
}

// start runs the processor until the test ends and returns its port.
func (b *broken) start(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	extprocv3.RegisterExternalProcessorServer(server, b)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return listener.Addr().(*net.TCPAddr).Port
}

// sets returns a reply to any request headers that sets one header.
func sets(name, value string) func(*extprocv3.ProcessingRequest) *extprocv3.ProcessingResponse {
	return func(*extprocv3.ProcessingRequest) *extprocv3.ProcessingResponse {
		return headersReply(&extprocv3.CommonResponse{
			ClearRouteCache: true,
			HeaderMutation: &extprocv3.HeaderMutation{SetHeaders: []*corev3.HeaderValueOption{{
				Header:       &corev3.HeaderValue{Key: name, RawValue: []byte(value)},
				AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
			}}},
		})
	}
}

func headersReply(c *extprocv3.CommonResponse) *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{
		RequestHeaders: &extprocv3.HeadersResponse{Response: c},
	}}
}

// TestSeesDifferences puts processors and settings that break requests in tagproc's
// place. The test must see each, and make the request that shows it small.
func TestSeesDifferences(t *testing.T) {
	table, err := loadRules()
	if err != nil {
		t.Fatal(err)
	}
	anything := func(ingress object) { delete(processor(ingress), "mutation_rules") }
	tests := []struct {
		name    string
		broken  *broken // nil: tagproc
		mode    string
		edit    func(ingress object)
		want    string   // in what is said
		request *request // nil: generated
		small   func(*request) bool
	}{
		{
			name: "wrong tag", broken: &broken{reply: sets("x-asm-prefer-tag", "s3")}, mode: shipped,
			want: "the tags (-want +got)", small: func(r *request) bool { return len(r.Headers) == 0 && r.Body == 0 },
		},
		{
			name: "no tag", broken: &broken{reply: sets("x-other", "dropped by mutation_rules")}, mode: shipped,
			want: "the tags (-want +got)", small: func(r *request) bool { return len(r.Headers) == 1 && r.Body == 0 },
		},
		{
			name: "another header", broken: &broken{reply: sets("x-other", "v")}, mode: shipped, edit: anything,
			want: "what reached the upstream", small: func(r *request) bool { return len(r.Headers) == 0 && r.Body == 0 },
		},
		{
			name: "another path", broken: &broken{reply: sets(":path", "/other")}, mode: shipped, edit: anything,
			want: "what reached the upstream", small: func(r *request) bool { return len(r.Headers) == 0 && r.Body == 0 },
		},
		{
			name: "an answer of its own", mode: shipped,
			edit: func(ingress object) { delete(processor(ingress), "disable_immediate_response") },
			broken: &broken{reply: func(*extprocv3.ProcessingRequest) *extprocv3.ProcessingResponse {
				return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ImmediateResponse{
					ImmediateResponse: &extprocv3.ImmediateResponse{},
				}}
			}},
			want: "does not: status 200", small: func(r *request) bool { return len(r.Headers) == 0 && r.Body == 0 },
		},
		{
			name: "a dropped body", mode: "FULL_DUPLEX_STREAMED",
			broken: &broken{reply: sets("x-asm-prefer-tag", "s1")}, // and the end, whatever the body
			want:   "what reached the upstream", small: func(r *request) bool { return len(r.Headers) == 0 && r.Body > 0 },
		},
		{
			name: "limits as low as the plain listener's", mode: shipped,
			edit: func(ingress object) {
				delete(manager(ingress), "max_request_headers_kb")
				delete(manager(ingress), "common_http_protocol_options")
			},
			want: "does not: status 500", request: withHeaders(http1, plainHeaders-1),
			small: func(r *request) bool { return len(r.Headers) > plainHeaders-20 },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var port int
			if tt.broken != nil {
				port = tt.broken.start(t)
			} else {
				port = startTagproc(t)
			}
			s := newStage(t, envoy.Version, port, tt.edit)
			p := s.newPair(tt.mode, table, "broken")
			defer p.close()
			fails := func(r *request) (string, bool) {
				result, why, err := p.ask(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				return why, result == different && strings.Contains(why, tt.want)
			}
			for index := range uint64(100) {
				r := tt.request
				if r == nil {
					r = generate(*seed, index)
				}
				if why, failed := fails(r); failed {
					if r, why = shrink(r, why, fails); !tt.small(r) {
						t.Errorf("it was seen (%s), and the smallest request is\n%s", why, r)
					}
					return
				}
			}
			t.Errorf("it went unseen: no difference says %q", tt.want)
		})
	}
}
