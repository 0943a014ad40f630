package transport

import (
	"io"
	"net"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// waitingMethod is a stream that answers how many streams of its connection wait
// for their handlers to begin.
const waitingMethod = "/test.Guest/Waiting"

var guestDesc = grpc.ServiceDesc{
	ServiceName: "test.Guest",
	HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{{
		StreamName: "Waiting", ServerStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			n := guestOf(stream.Context()).waiting.Load()
			return stream.SendMsg(wrapperspb.Bytes(strconv.AppendInt(nil, n, 10)))
		},
	}},
}

// TestWaiting checks that a stream waits until its handler begins and no longer,
// also where there is no handler for its method.
func TestWaiting(t *testing.T) {
	t.Parallel()
	conn := start(t, Options{}).dial(t)
	for range 3 * maxWaiting {
		if err := end(open(t, conn, "/test.Echo/Nothing")); status.Code(err) != codes.Unimplemented {
			t.Fatalf("a call of a method that is not there: %v, want Unimplemented", err)
		}
	}
	stream := open(t, conn, waitingMethod)
	waiting := new(wrapperspb.BytesValue)
	if err := stream.RecvMsg(waiting); err != nil || string(waiting.Value) != "0" {
		t.Errorf("after streams that have ended, %q wait, %v; want 0", waiting.Value, err)
	}
}

// TestReadWaits checks that a connection with too many streams that wait gives
// others their turns before it reads on.
func TestReadWaits(t *testing.T) {
	t.Parallel()
	g := &guest{Conn: silentConn{}, received: greeting}
	g.waiting.Store(maxWaiting + 1)
	if _, err := g.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if got := g.waiting.Load(); got != 0 {
		t.Errorf("%d streams wait after a read, want that their beginning was waited for and given up", got)
	}
}

// A silentConn reads nothing, at once.
type silentConn struct{ net.Conn }

func (silentConn) Read([]byte) (int, error) { return 0, nil }

// TestTap checks that a stream waits from its first bytes on.
func TestTap(t *testing.T) {
	t.Parallel()
	g := new(guest)
	ctx := grpcpeer.NewContext(t.Context(), &grpcpeer.Peer{AuthInfo: admission{guest: g}})
	c := &calls{unaryLimit: limit, kinds: func() map[string]kind { return map[string]kind{echoMethod: streaming} }}
	for _, method := range []string{echoMethod, "/test.Echo/Nothing"} {
		if _, err := c.tap(ctx, &tap.Info{FullMethodName: method}); err != nil {
			t.Fatal(err)
		}
	}
	if got := g.waiting.Load(); got != 2 {
		t.Errorf("%d streams wait, want 2", got)
	}
	if _, err := c.begun(ctx, echoMethod); err != nil || g.waiting.Load() != 1 {
		t.Errorf("one has begun: %v, and %d wait, want 1", err, g.waiting.Load())
	}
}

// TestYield checks that streams which wait hold up the next read until they have
// begun, and those that never will do not for ever.
func TestYield(t *testing.T) {
	t.Parallel()
	g := new(guest)
	g.waiting.Store(maxWaiting)
	g.yield(maxWaiting)
	if got := g.waiting.Load(); got != maxWaiting {
		t.Errorf("with as many streams waiting as may: %d afterwards, want %d", got, maxWaiting)
	}
	g.waiting.Store(maxWaiting + 1)
	g.yield(maxWaiting)
	if got := g.waiting.Load(); got != 0 {
		t.Errorf("with one more that never begins: %d afterwards, want 0", got)
	}
	g.begun()
	if got := g.waiting.Load(); got != 0 {
		t.Errorf("when one of them begins after all: %d wait, want 0", got)
	}
}

// TestLastWords checks that the connection of a peer which has sent more than was
// read is closed, and not reset: what was sent to it last arrives.
func TestLastWords(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for range 20 {
		p := r.rawPeer(t)
		large := make([]byte, 60<<10) // a frame larger than the server takes
		if err := p.WriteRawFrame(http2.FrameData, 0, 1, large); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, p); err != nil {
			t.Fatalf("the connection ends with %v, want well", err)
		}
	}
}

// TestCalls checks that of too many calls that are no streams the oldest is ended, and
// that they hold up the connection.
func TestCalls(t *testing.T) {
	t.Parallel()
	g := new(guest)
	var ended []int
	for i := range maxCalls + 2 {
		g.called(func() { ended = append(ended, i) })
	}
	if !slices.Equal(ended, []int{0, 1}) {
		t.Errorf("calls %v are ended, want the two oldest", ended)
	}
	if got := g.waiting.Load(); got != 2 {
		t.Errorf("%d calls hold up the next read, want 2: one for each that is too many", got)
	}
}
