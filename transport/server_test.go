package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// limit bounds every wait for a condition in the tests of this package.
const limit = 60 * time.Second

// echoMethod is a stream that hands every message back, and as that of ext_proc
// never fails. Its request begins with the first message that is not empty.
const echoMethod = "/test.Echo/Echo"

var echoDesc = grpc.ServiceDesc{
	ServiceName: "test.Echo",
	HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{{
		StreamName: "Echo", ServerStreams: true, ClientStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			for {
				m := new(wrapperspb.BytesValue)
				if stream.RecvMsg(m) != nil || stream.SendMsg(m) != nil {
					return nil
				}
				if len(m.Value) > 0 {
					stream.(interface{ Begun() }).Begun()
				}
			}
		},
	}},
}

// A running server, for tests.
type running struct {
	addresses []string
	registry  *prometheus.Registry
}

// start runs a server with the services Echo, health and reflection on listeners,
// or if there are none on one of TCP, until the test ends.
func start(t testing.TB, o Options, listeners ...net.Listener) *running {
	t.Helper()
	r := &running{registry: prometheus.NewRegistry()}
	o.Registerer = r.registry
	s := NewServer(o)
	s.RegisterService(&echoDesc, nil)
	s.RegisterService(&guestDesc, nil)
	healthv1.RegisterHealthServer(s, health.NewServer())
	reflection.Register(s)
	if len(listeners) == 0 {
		listeners = append(listeners, listen(t, "127.0.0.1:0", ListenOptions{}))
	}
	served := make(chan error, len(listeners))
	for _, l := range listeners {
		r.addresses = append(r.addresses, l.Addr().String())
		go func() { served <- s.Serve(l) }()
	}
	t.Cleanup(func() {
		s.Stop()
		for range listeners {
			if err := <-served; err != nil {
				t.Errorf("Serve = %v", err)
			}
		}
	})
	return r
}

func listen(t testing.TB, address string, o ListenOptions) net.Listener {
	t.Helper()
	l, err := Listen(t.Context(), address, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// metric returns the value of a metric.
func metric(t testing.TB, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// awaitMetric waits until a metric has a value.
func awaitMetric(t *testing.T, registry *prometheus.Registry, name string, want float64) {
	t.Helper()
	awaitValue(t, want, func() float64 { return metric(t, registry, name) })
}

func awaitValue(t *testing.T, want float64, value func() float64) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		got := value()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v the metric is %v, want %v", limit, got, want)
		}
	}
}

func dial(t testing.TB, address string, c credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func (r *running) dial(t testing.TB) *grpc.ClientConn {
	t.Helper()
	return dial(t, r.addresses[0], insecure.NewCredentials())
}

// open opens a stream and says nothing.
func open(t testing.TB, conn *grpc.ClientConn, method string) grpc.ClientStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// echo sends a message over a stream and expects it back.
func echo(stream grpc.ClientStream, message string) error {
	if err := stream.SendMsg(wrapperspb.Bytes([]byte(message))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	back := new(wrapperspb.BytesValue)
	if err := stream.RecvMsg(back); err != nil {
		return err
	}
	if string(back.GetValue()) != message {
		return errors.New("another message came back")
	}
	return nil
}

// A peer speaks HTTP/2 by hand.
type peer struct {
	net.Conn
	*http2.Framer
}

// rawPeer connects a peer and greets.
func (r *running) rawPeer(t *testing.T) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", r.addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	p := &peer{conn, http2.NewFramer(conn, conn)}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := p.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return p
}

// open begins a stream, with more headers by names and values in turn.
func (p *peer) open(t *testing.T, id uint32, method string, more ...string) {
	t.Helper()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	fields := []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: method},
		{Name: ":authority", Value: "test"},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "te", Value: "trailers"},
	}
	for i := 0; i < len(more); i += 2 {
		fields = append(fields, hpack.HeaderField{Name: more[i], Value: more[i+1]})
	}
	for _, f := range fields {
		if err := encoder.WriteField(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
}

// awaitStatus reads until a stream ends, and returns its gRPC status.
func (p *peer) awaitStatus(t *testing.T) string {
	t.Helper()
	p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		f, err := p.ReadFrame()
		if err != nil {
			t.Fatalf("no status came: %v", err)
		}
		if h, ok := f.(*http2.MetaHeadersFrame); ok && h.StreamEnded() {
			for _, field := range h.Fields {
				if field.Name == "grpc-status" {
					return field.Value
				}
			}
		}
	}
}

// awaitGoAway reads until the server says that the connection ends.
func (p *peer) awaitGoAway(t *testing.T) *http2.GoAwayFrame {
	t.Helper()
	for {
		f, err := p.ReadFrame()
		if err != nil {
			t.Fatalf("no GOAWAY came: %v", err)
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			return g
		}
	}
}

// TestLargeMessage checks that a message over the limit fails its own stream, and
// one just within it does not.
func TestLargeMessage(t *testing.T) {
	t.Parallel()
	r := start(t, Options{MaxMessageBytes: 1 << 10})
	conn := r.dial(t)
	other := open(t, conn, echoMethod)
	if err := echo(other, "before"); err != nil {
		t.Fatal(err)
	}
	const envelope = 3 // bytes, of the field in which echo puts its text
	if err := echo(open(t, conn, echoMethod), strings.Repeat("x", 1<<10-envelope+1)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message of 1 KiB and a byte: %v, want ResourceExhausted", err)
	}
	if err := echo(other, strings.Repeat("x", 1<<10-envelope)); err != nil {
		t.Errorf("a message of 1 KiB: %v", err)
	}
}

// TestPingFlood checks that a peer that pings without end loses its connection, and
// others notice nothing.
func TestPingFlood(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	other := open(t, r.dial(t), echoMethod)
	p := r.rawPeer(t)
	for range 100 {
		if err := p.WritePing(false, [8]byte{}); err != nil {
			t.Fatal(err)
		}
	}
	if g := p.awaitGoAway(t); g.ErrCode != http2.ErrCodeEnhanceYourCalm {
		t.Errorf("a flood of pings is answered by GOAWAY with %v, want %v", g.ErrCode, http2.ErrCodeEnhanceYourCalm)
	}
	if err := echo(other, "hello"); err != nil {
		t.Errorf("the stream of another: %v", err)
	}
}

// TestKeepalive checks that a peer which pings now and then, without a stream, keeps
// its connection.
func TestKeepalive(t *testing.T) {
	t.Parallel()
	p := start(t, Options{}).rawPeer(t)
	for i := range byte(5) {
		if err := p.WritePing(false, [8]byte{i}); err != nil {
			t.Fatal(err)
		}
		for {
			f, err := p.ReadFrame()
			if err != nil {
				t.Fatalf("ping %d: %v", i, err)
			}
			if g, ok := f.(*http2.GoAwayFrame); ok {
				t.Fatalf("ping %d is answered by GOAWAY with %v", i, g.ErrCode)
			}
			if f, ok := f.(*http2.PingFrame); ok && f.IsAck() {
				break
			}
		}
		time.Sleep(minPingInterval + minPingInterval/2) // the pace that is allowed
	}
}

// TestConnectionAge checks that a connection is asked to end at its age, and that
// its streams go on.
func TestConnectionAge(t *testing.T) {
	t.Parallel()
	r := start(t, Options{MaxConnectionAge: 50 * time.Millisecond})
	stream := open(t, r.dial(t), echoMethod)
	if err := echo(stream, "before"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // by then that of the stream has been asked too
		r.rawPeer(t).awaitGoAway(t)
	}
	if err := echo(stream, "after"); err != nil {
		t.Errorf("a stream of a connection that was asked to end: %v", err)
	}
}

// TestSettings checks what a peer is told that it may do.
func TestSettings(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	p := r.rawPeer(t)
	for {
		f, err := p.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		s, ok := f.(*http2.SettingsFrame)
		if !ok || s.IsAck() {
			continue
		}
		if got, _ := s.Value(http2.SettingMaxConcurrentStreams); got != maxStreamsOfConnection {
			t.Errorf("SETTINGS_MAX_CONCURRENT_STREAMS = %d, want %d", got, maxStreamsOfConnection)
		}
		if got, _ := s.Value(http2.SettingMaxHeaderListSize); got != maxHeaderBytes {
			t.Errorf("SETTINGS_MAX_HEADER_LIST_SIZE = %d, want %d", got, maxHeaderBytes)
		}
		return
	}
}
