package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/tagproc/tagproc/contract"
)

// maxMessageSize is the limit of the tests' server.
const maxMessageSize = 8 << 20

// serve serves p, health and reflection on a Unix socket and returns a
// connection to it.
func serve(t *testing.T, p *Processor) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "sock"))
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.ForceServerCodecV2(Codec()), grpc.MaxRecvMsgSize(maxMessageSize))
	Register(s, p)
	healthpb.RegisterHealthServer(s, health.NewServer())
	reflection.Register(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	conn, err := grpc.NewClient("unix:"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageSize)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ask opens a stream, sends m and returns the reply. The stream must end well
// after it.
func ask(t *testing.T, conn *grpc.ClientConn, m *extprocv3.ProcessingRequest) (*extprocv3.ProcessingResponse, error) {
	t.Helper()
	return askWith(t.Context(), conn, m)
}

// askWith is ask with the metadata of a context.
func askWith(ctx context.Context, conn *grpc.ClientConn, m *extprocv3.ProcessingRequest) (*extprocv3.ProcessingResponse, error) {
	stream, err := extprocv3.NewExternalProcessorClient(conn).Process(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(m); err != nil {
		return nil, err
	}
	reply, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("after the reply: %w, want EOF", err)
	}
	return reply, nil
}

func TestService(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, walkthrough))
	conn := serve(t, p)

	headers := []string{"x-user-id", "bob", "x-asm-prefer-tag", "forged"}
	reply, err := ask(t, conn, headersRequest(rawHeaders(headers...)))
	if err != nil {
		t.Fatal(err)
	}
	checkApplied(t, pairs(headers), false, p.limits, marshal(t, reply), applied{
		headers: pairs([]string{"x-user-id", "bob", "appver-a", "v1"}), sets: 1, removes: 1,
	})

	// A message of more than one HTTP/2 frame.
	large := append(slices.Clone(headers), "cookie", strings.Repeat("c", 6<<20))
	reply, err = ask(t, conn, headersRequest(rawHeaders(large...)))
	if err != nil {
		t.Fatal(err)
	}
	checkReply(t, string(marshal(t, reply)), noChange) // over the limits
}

// TestServiceFullDuplex hands a large body back over one stream.
func TestServiceFullDuplex(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, walkthrough))
	stream, err := extprocv3.NewExternalProcessorClient(serve(t, p)).Process(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exchange := func(m *extprocv3.ProcessingRequest) *extprocv3.ProcessingResponse {
		if err := stream.Send(m); err != nil {
			t.Fatal(err)
		}
		reply, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	first := withModes(headersRequest(rawHeaders("x-user-id", "jessie")), filterv3.ProcessingMode_FULL_DUPLEX_STREAMED, 0)
	if n := len(exchange(first).GetRequestHeaders().GetResponse().GetHeaderMutation().GetSetHeaders()); n != 2 {
		t.Fatalf("%d tags are set, want 2", n)
	}
	for i, size := range []int{0, 1, 100, 5_000, 70_000, 2 << 20} {
		body := bytes.Repeat([]byte{byte(i)}, size)
		got := exchange(requestBodyRequest(&extprocv3.HttpBody{Body: body, EndOfStream: i == 5}))
		want := handedBackRequest(&extprocv3.StreamedBodyResponse{Body: body, EndOfStream: i == 5})
		if !proto.Equal(got, want) {
			t.Fatalf("a piece of %d bytes does not come back as it is", size)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the client's end: %v, want EOF", err)
	}
}

// TestServiceNeverFails sends what cannot be answered: the stream ends well.
func TestServiceNeverFails(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, walkthrough))
	conn := serve(t, p)
	observed := headersRequest(rawHeaders("x-user-id", "jessie"))
	observed.ObservabilityMode = true
	tests := []struct {
		name string
		msg  []byte
		want []byte // nil: no reply
	}{
		{"malformed", []byte("GET / HTTP/1.1\r\n"), nil},
		{"malformed headers", []byte{0x12, 0x01, 0x80}, emptyReplies[requestHeaders]},
		{"observability", marshal(t, observed), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// The codec sends bytes as a client, too.
			stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
				extprocv3.ExternalProcessor_Process_FullMethodName, grpc.ForceCodecV2(Codec()))
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.SendMsg(&reply{&tt.msg}); err != nil {
				t.Fatal(err)
			}
			if tt.want != nil {
				var got received
				if err := stream.RecvMsg(&got); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.ReadOnlyData(), tt.want) {
					t.Errorf("the reply is %x, want %x", got.ReadOnlyData(), tt.want)
				}
				got.Free()
			}
			if err := stream.RecvMsg(&received{}); !errors.Is(err, io.EOF) {
				t.Errorf("the stream ends with %v, want EOF", err)
			}
		})
	}
	t.Run("nothing sent", func(t *testing.T) {
		t.Parallel()
		stream, err := extprocv3.NewExternalProcessorClient(conn).Process(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("the stream ends with %v, want EOF", err)
		}
	})
}

// TestServiceTooLarge checks what becomes of a message above the server's limit.
func TestServiceTooLarge(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, walkthrough))
	_, err := ask(t, serve(t, p), headersRequest(rawHeaders("x-user-id", "bob", "cookie", strings.Repeat("c", maxMessageSize))))
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("the stream ends with %v, want %v", err, codes.ResourceExhausted)
	}
	if got := float64(p.metrics.messages[contract.Gateway][malformed].Load()); got != 0 {
		t.Errorf("%v messages came through, want none", got)
	}
}

// TestServiceConcurrent has many streams at once on one connection, each with a
// reply of its own: memory that is used again too early mixes them up.
func TestServiceConcurrent(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	var src strings.Builder
	src.WriteString("rules:\n- header: x-user-id\n  tagHeader: lane\n  policies: [{range: 0, tagValue: none}]\n  overrides:\n")
	const users = 32
	for i := range users {
		fmt.Fprintf(&src, "  - {values: [user-%d], tagValue: tag-%d%s}\n", i, i, strings.Repeat("x", 7*i))
	}
	p.SetTable(load(t, src.String()))
	conn := serve(t, p)

	var g errgroup.Group
	for i := range users {
		g.Go(func() error {
			m := headersRequest(rawHeaders("x-user-id", fmt.Sprint("user-", i), "cookie", strings.Repeat("c", 300*i)))
			want := fmt.Sprintf("tag-%d%s", i, strings.Repeat("x", 7*i))
			for range 50 {
				reply, err := ask(t, conn, m)
				if err != nil {
					return err
				}
				sets := reply.GetRequestHeaders().GetResponse().GetHeaderMutation().GetSetHeaders()
				if len(sets) != 1 || string(sets[0].GetHeader().GetRawValue()) != want {
					return fmt.Errorf("user-%d gets %v, want lane: %s", i, sets, want)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// TestServiceBesideOthers checks that the codec serves ordinary messages, and
// that reflection knows the service.
func TestServiceBesideOthers(t *testing.T) {
	t.Parallel()
	conn := serve(t, New(Options{}))

	answered, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil || answered.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("Check = %v, %v, want SERVING", answered, err)
	}

	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: serviceDesc.ServiceName},
	}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	files := answer.GetFileDescriptorResponse().GetFileDescriptorProto()
	if len(files) == 0 {
		t.Fatalf("reflection answers %v", answer)
	}
	var file descriptorpb.FileDescriptorProto
	if err := proto.Unmarshal(files[0], &file); err != nil || file.GetName() != serviceDesc.Metadata {
		t.Errorf("reflection finds the service in %q, %v, want %q", file.GetName(), err, serviceDesc.Metadata)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("reflection ends with %v, want EOF", err)
	}
}

// TestServiceDesc compares the description with the generated one.
func TestServiceDesc(t *testing.T) {
	t.Parallel()
	want := &extprocv3.ExternalProcessor_ServiceDesc
	method := "/" + serviceDesc.ServiceName + "/" + serviceDesc.Streams[0].StreamName
	if method != extprocv3.ExternalProcessor_Process_FullMethodName || serviceDesc.Metadata != want.Metadata ||
		!serviceDesc.Streams[0].ClientStreams || !serviceDesc.Streams[0].ServerStreams {
		t.Errorf("the service description is %+v, want %+v", serviceDesc, want)
	}
}
