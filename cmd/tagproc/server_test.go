package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules/rulefile"
	"github.com/tagproc/tagproc/transport"
)

const oneRule = "rules: [{header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 100, tagValue: s1}]}]\n"

// A running server, for tests.
type running struct {
	socket, rulesFile string
	loads             chan rulefile.Load
	stop              func() error // ends it, and returns what run did
}

// startServer runs a server until the test ends.
func startServer(t *testing.T, o serverOptions) *running {
	t.Helper()
	dir := t.TempDir()
	r := &running{socket: filepath.Join(dir, "t.sock"), rulesFile: filepath.Join(dir, "rules.yaml"), loads: make(chan rulefile.Load, 16)}
	writeRules(t, r.rulesFile, oneRule)
	o.rulesFile, o.listen = r.rulesFile, []string{transport.UnixScheme + r.socket}
	o.applied = func(l rulefile.Load) { r.loads <- l }
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := newServer(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(limit):
			return errors.New("the server does not end")
		}
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("run = %v", err)
		}
	})
	<-r.loads
	return r
}

// writeRules puts rules into the place of a file in one step: a tagproc that looks at it
// meanwhile never sees half of them, however slow the machine is.
func writeRules(t *testing.T, file, src string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func (r *running) dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(transport.UnixScheme+r.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// open opens a stream with the headers of a request.
func open(t *testing.T, conn *grpc.ClientConn, mode filterv3.ProcessingMode_BodySendMode, value string) extprocv3.ExternalProcessor_ProcessClient {
	t.Helper()
	stream, err := extprocv3.NewExternalProcessorClient(conn).Process(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&extprocv3.ProcessingRequest{
		Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{Headers: &corev3.HeaderMap{
			Headers: []*corev3.HeaderValue{{Key: "x-user-id", RawValue: []byte(value)}},
		}}},
		ProtocolConfig: &extprocv3.ProtocolConfiguration{RequestBodyMode: mode},
	}); err != nil {
		t.Fatal(err)
	}
	return stream
}

// tagOf receives the answer to the headers and returns the tag that it sets.
func tagOf(t *testing.T, stream extprocv3.ExternalProcessor_ProcessClient) string {
	t.Helper()
	reply, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	sets := reply.GetRequestHeaders().GetResponse().GetHeaderMutation().GetSetHeaders()
	if len(sets) != 1 {
		return ""
	}
	return string(sets[0].Header.RawValue)
}

// TestStreams checks that a client may have more streams open than HTTP/2
// implementations allow by default, and a message over the limit fails its own
// stream alone, which ends well.
func TestStreams(t *testing.T) {
	r := startServer(t, serverOptions{stopLimit: time.Millisecond})
	conn := r.dial(t)
	for range 1200 {
		if got := tagOf(t, open(t, conn, filterv3.ProcessingMode_FULL_DUPLEX_STREAMED, "jack")); got != "s1" {
			t.Fatalf("tag = %q, want s1", got)
		}
	}
	stream := open(t, conn, filterv3.ProcessingMode_NONE, strings.Repeat("x", transport.DefaultMaxMessageBytes))
	if reply, err := stream.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message of more than the limit gets %v, %v, want ResourceExhausted", reply, err)
	}
	if got := tagOf(t, open(t, conn, filterv3.ProcessingMode_NONE, "jack")); got != "s1" {
		t.Errorf("tag = %q, want s1", got)
	}
}

// TestLimits checks that the limits of the options reach the processor.
func TestLimits(t *testing.T) {
	for _, limits := range []processor.Limits{{MaxHeaders: 1}, {MaxHeaderBytes: 20}} {
		r := startServer(t, serverOptions{processor: processor.Options{Limits: limits}})
		if got := tagOf(t, open(t, r.dial(t), filterv3.ProcessingMode_NONE, "jack")); got != "" {
			t.Errorf("limits %+v: tag = %q, want none, since it does not fit", limits, got)
		}
	}
}

// TestReflection checks that tools such as grpcurl and ghz can list the services.
func TestReflection(t *testing.T) {
	r := startServer(t, serverOptions{})
	stream, err := reflectionv1.NewServerReflectionClient(r.dial(t)).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(q *reflectionv1.ServerReflectionRequest) *reflectionv1.ServerReflectionResponse {
		t.Helper()
		if err := stream.Send(q); err != nil {
			t.Fatal(err)
		}
		answer, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	var names []string
	for _, s := range ask(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}).GetListServicesResponse().GetService() {
		names = append(names, s.Name)
	}
	if !slices.Contains(names, processor.ServiceName) || !slices.Contains(names, "grpc.health.v1.Health") {
		t.Errorf("services = %v, want ext_proc's and health's", names)
	}
	file := ask(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: processor.ServiceName}})
	if len(file.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
		t.Errorf("no descriptor of %s: %v", processor.ServiceName, file)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
}

// TestStopIsBounded checks that a stream that does not end does not keep the
// server from ending.
func TestStopIsBounded(t *testing.T) {
	var log bytes.Buffer
	r := startServer(t, serverOptions{stopLimit: time.Millisecond, log: slog.New(slog.NewTextHandler(&log, nil))})
	tagOf(t, open(t, r.dial(t), filterv3.ProcessingMode_FULL_DUPLEX_STREAMED, "jack"))
	if err := r.stop(); err != nil {
		t.Errorf("run = %v", err)
	}
	if !strings.Contains(log.String(), "cutting off streams") {
		t.Errorf("the log does not say that a stream was cut off:\n%s", log.String())
	}
}

// TestStopAtOnce checks that a server which is told to end before it has begun to
// serve ends well.
func TestStopAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules.yaml")
	writeRules(t, file, oneRule)
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		s, err := newServer(ctx, serverOptions{rulesFile: file, listen: []string{"127.0.0.1:0"}, admin: "127.0.0.1:0", log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := s.run(ctx); err != nil {
			t.Errorf("run = %v", err)
		}
		if conn, err := net.Dial("tcp", s.listeners[0].Addr().String()); err == nil {
			conn.Close()
			t.Errorf("%s is still open", s.listeners[0].Addr())
		}
	}
}

// TestFailedListener checks that a listener which fails ends the server with its
// error, and without the drain delay.
func TestFailedListener(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules.yaml")
	writeRules(t, file, oneRule)
	s, err := newServer(t.Context(), serverOptions{
		rulesFile: file, listen: []string{"127.0.0.1:0"}, drainDelay: time.Hour, log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.listeners[0].Close()
	ended := make(chan error, 1)
	go func() { ended <- s.run(t.Context()) }()
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("run = %v, want that of the listener", err)
		}
	case <-time.After(limit):
		t.Fatal("the server waits for the drain delay")
	}
}

// TestRulesWhileDraining checks that the rules are kept current until the end.
func TestRulesWhileDraining(t *testing.T) {
	r := startServer(t, serverOptions{drainDelay: 3 * time.Second})
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	writeRules(t, r.rulesFile, strings.Replace(oneRule, "s1", "s2", 1))
	select {
	case l := <-r.loads:
		if l.Table == nil || l.Table.Tags()[0].Value != "s2" {
			t.Errorf("load = %v", l)
		}
	case err := <-ended:
		// On a machine so slow that the delay passes first there is nothing to see.
		t.Logf("the server ended (%v) before the edit was seen", err)
		return
	}
	if err := <-ended; err != nil {
		t.Errorf("run = %v", err)
	}
}

// TestReload checks that a signal to reload reaches the rules and the certificates,
// which else are read again after the interval.
func TestReload(t *testing.T) {
	s := &server{log: slog.New(slog.DiscardHandler), wakeRules: make(chan struct{}, 1), wakeCertificates: make(chan struct{}, 1)}
	reload := make(chan os.Signal)
	s.options.reload = reload
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.reloadOnSignals(ctx)
	}()
	reload <- syscall.SIGHUP
	reload <- syscall.SIGHUP // nobody has read the first: it does not wait
	<-s.wakeRules
	<-s.wakeCertificates
	cancel()
	<-ended
}

// TestSocketGone checks that readiness is lost with the file of a socket, or when
// that is of another.
func TestSocketGone(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"removed": os.Remove,
		"replaced": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			l, err := net.Listen("unix", path)
			if err == nil {
				t.Cleanup(func() { l.Close() })
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			file, socket := filepath.Join(t.TempDir(), "rules.yaml"), filepath.Join(t.TempDir(), "t.sock")
			writeRules(t, file, oneRule)
			s, err := newServer(t.Context(), serverOptions{
				rulesFile: file, listen: []string{"127.0.0.1:0", transport.UnixScheme + socket}, log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.close)
			s.apply(s.first)
			if err := s.ready(); err != nil {
				t.Errorf("ready = %v, want nil", err)
			}
			if err := spoil(socket); err != nil {
				t.Fatal(err)
			}
			want := "the socket file " + socket + " is gone or belongs to another process, and Envoy does not reach tagproc: restart tagproc"
			if err := s.ready(); err == nil || err.Error() != want {
				t.Errorf("ready = %v, want %q", err, want)
			}
		})
	}
}
