package chaos

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	extproc "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/internal/hostile"
	"github.com/tagproc/tagproc/transport"
)

const (
	maxConnections = 64 // in the row that is about them
	maxMessage     = transport.DefaultMaxMessageBytes

	// Less than the time after which tagproc closes a peer that answers no PING.
	refusedWithin = 20 * time.Second
)

// tooManyConnections fills tagproc with connections and opens n more. Each is
// closed at once, and those that were there go on; when they leave there is room.
func tooManyConnections(t *testing.T, s *siege) {
	t.Helper()
	var inside []*hostile.Peer
	defer func() {
		for _, p := range inside {
			p.Close()
		}
	}()
	for range maxConnections - 1 { // the client beside them has one
		p, err := hostile.Greet(t.Context(), s.address)
		if err != nil {
			t.Fatal(err)
		}
		inside = append(inside, p)
	}
	eventually(t, "every place is taken", func() bool {
		return s.tagproc.metric(t, "tagproc_connections") == maxConnections
	})
	slowest := time.Duration(0)
	for range s.n {
		p, err := hostile.Dial(t.Context(), s.address)
		if err != nil {
			t.Fatal(err)
		}
		opened := time.Now()
		if err := p.Greeting(); err != nil {
			t.Fatal(err)
		}
		_ = p.Send() // tagproc may have closed the connection by now
		refused := p.ClosedBy(opened.Add(refusedWithin))
		p.Close()
		if !refused {
			t.Fatalf("after %v a connection over the limit is not closed", refusedWithin)
		}
		slowest = max(slowest, time.Since(opened))
	}
	s.findings.exactly("closed and counted", int(s.tagproc.metric(t, "tagproc_connections_refused_total")), s.n)
	s.findings.within("slowest", slowest, time.Second)

	for _, p := range inside {
		if err := errors.Join(p.Ask(0), p.Send()); err != nil {
			t.Errorf("tagproc closed a connection that was there before: %v", err)
		}
	}
	eventually(t, "answers on the connections that were there before", func() bool {
		return !slices.ContainsFunc(inside, func(p *hostile.Peer) bool { return p.Ended.Load() == 0 })
	})
	inside[0].Close()
	next := connect(t, s.address)
	eventually(t, "there is room for another connection", func() bool {
		_, err := ask(t.Context(), next, "jack")
		return err == nil
	})
}

// tooLargeMessages sends n messages that are one byte too large, and one that is
// not. Each of the first ends its own stream, and no other of its connection.
func tooLargeMessages(t *testing.T, s *siege) {
	t.Helper()
	conn := connect(t, s.address)
	if err := sendSized(t.Context(), conn, maxMessage); err != nil {
		t.Errorf("a message of the largest size: %v", err)
	}
	var ended int
	for range s.n {
		// Opened before the other stream ends, and asked after.
		beside, err := extproc.NewExternalProcessorClient(conn).Process(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := sendSized(t.Context(), conn, maxMessage+1); status.Code(err) == codes.ResourceExhausted {
			ended++
		} else {
			t.Errorf("a message that is too large: %v, want %v", err, codes.ResourceExhausted)
		}
		if err := beside.Send(hostile.UserRequest("jack")); err != nil {
			t.Fatal(err)
		}
		if _, err := beside.Recv(); err != nil {
			t.Errorf("a stream beside one with a message that is too large: %v", err)
		}
		if _, err := beside.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("the end of that stream: %v, want %v", err, io.EOF)
		}
	}
	s.findings.exactly("streams ended", ended, s.n)
}

// sendSized sends a message of so many bytes and returns how its stream ends.
func sendSized(ctx context.Context, conn *grpc.ClientConn, size int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := extproc.NewExternalProcessorClient(conn).Process(ctx)
	if err != nil {
		return err
	}
	message := &extproc.ProcessingRequest{Request: &extproc.ProcessingRequest_RequestBody{RequestBody: &extproc.HttpBody{}}}
	for filler := size; proto.Size(message) != size; filler-- {
		message.GetRequestBody().Body = make([]byte, filler)
	}
	if err := stream.Send(message); err != nil && !errors.Is(err, io.EOF) { // io.EOF: Recv says why
		return err
	}
	_, err = stream.Recv()
	return err
}

// notHTTP2 opens n connections that speak something else, and waits until tagproc
// has closed each.
func notHTTP2(t *testing.T, s *siege) {
	t.Helper()
	garbage := make([]byte, 64<<10)
	_, _ = rand.NewChaCha8([32]byte{}).Read(garbage) // never fails
	beginnings := [][]byte{
		garbage,
		[]byte("GET / HTTP/1.1\r\nHost: tagproc\r\n\r\n"),
		clientHello(t),
		// HTTP/2 as far as the preface.
		append([]byte(http2.ClientPreface), garbage...),
	}
	closed, slowest := 0, time.Duration(0)
	for i := range s.n {
		p, err := hostile.Dial(t.Context(), s.address)
		if err != nil {
			t.Fatal(err)
		}
		opened := time.Now()
		p.Out.Write(beginnings[i%len(beginnings)])
		_ = p.Send() // tagproc may have closed the connection by now
		if p.ClosedBy(opened.Add(limit)) {
			closed++
		}
		slowest = max(slowest, time.Since(opened))
		p.Close()
	}
	s.findings.exactly("closed", closed, s.n)
	s.findings.within("slowest", slowest, reapLimit)
}

// clientHello returns what a TLS client says first.
func clientHello(t *testing.T) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		_ = tls.Client(theirs, &tls.Config{ServerName: "tagproc", MinVersion: tls.VersionTLS12}).HandshakeContext(t.Context()) // is cut off
		theirs.Close()
	}()
	hello := make([]byte, 64<<10)
	n, err := ours.Read(hello)
	if err != nil {
		t.Fatal(err)
	}
	return hello[:n]
}
