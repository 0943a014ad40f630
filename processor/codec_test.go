package processor

import (
	"context"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// A stubStream stands for gRPC: one message comes in by the codec, and the reply
// goes out by it.
type stubStream struct {
	grpc.ServerStream

	codec encoding.CodecV2
	msg   mem.BufferSlice
}

func (s *stubStream) Context() context.Context { return context.Background() }

func (s *stubStream) RecvMsg(m any) error { return s.codec.Unmarshal(s.msg, m) }

func (s *stubStream) SendMsg(m any) error {
	data, err := s.codec.Marshal(m)
	data.Free() // as when it has been written
	return err
}

// BenchmarkProcess serves a stream from its first message to its end, gRPC
// excluded.
// A lastingStub hands out messages and counts how often it hears that a request has
// begun.
type lastingStub struct {
	stubStream

	messages [][]byte
	begun    int
}

func (s *lastingStub) RecvMsg(m any) error {
	if len(s.messages) == 0 {
		return io.EOF
	}
	s.msg, s.messages = mem.BufferSlice{mem.SliceBuffer(s.messages[0])}, s.messages[1:]
	return s.stubStream.RecvMsg(m)
}

func (s *lastingStub) Begun() { s.begun++ }

// TestBegun checks that a stream which is to last hears when its request has begun,
// and of no other message.
func TestBegun(t *testing.T) {
	t.Parallel()
	streamed := &extprocv3.ProtocolConfiguration{RequestBodyMode: filterv3.ProcessingMode_FULL_DUPLEX_STREAMED}
	empty, announced := &extprocv3.ProcessingRequest{}, &extprocv3.ProcessingRequest{ProtocolConfig: streamed}
	headers := headersRequest(rawHeaders("x-user-id", "jack"))
	headers.ProtocolConfig = streamed
	p := New(Options{})
	p.SetTable(load(t, walkthrough))
	for _, tt := range []struct {
		name     string
		messages []*extprocv3.ProcessingRequest
		begun    bool
	}{
		{"nothing", nil, false},
		{"empty messages", []*extprocv3.ProcessingRequest{empty, announced, empty}, false},
		{"request headers, and a body is to come", []*extprocv3.ProcessingRequest{headers}, true},
		{"the same after empty messages", []*extprocv3.ProcessingRequest{empty, headers}, true},
	} {
		s := &lastingStub{stubStream: stubStream{codec: Codec()}}
		for _, m := range tt.messages {
			s.messages = append(s.messages, marshal(t, m))
		}
		if p.process(s); (s.begun > 0) != tt.begun {
			t.Errorf("%s: the stream heard %d times that a request has begun, want %v", tt.name, s.begun, tt.begun)
		}
	}
}

func BenchmarkProcess(b *testing.B) {
	p := New(Options{})
	p.SetTable(load(b, manyRules(1)))
	stream := &stubStream{codec: Codec(), msg: mem.BufferSlice{mem.SliceBuffer(benchmarkRequests(b)["hit"])}}
	b.ReportAllocs()
	for b.Loop() {
		p.process(stream)
	}
}

// TestCodecUnmarshal reads a message in one piece in place, and one in several.
func TestCodecUnmarshal(t *testing.T) {
	t.Parallel()
	one := []byte("in one piece")
	for _, data := range []mem.BufferSlice{
		{mem.SliceBuffer(one)},
		{mem.SliceBuffer("in one"), mem.SliceBuffer(" "), mem.SliceBuffer("piece")},
		{mem.Copy([]byte("in "+strings.Repeat(" ", 5000)), mem.DefaultBufferPool()), mem.SliceBuffer("one piece")},
		{},
	} {
		want := string(data.Materialize())
		var m received
		if err := Codec().Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		data.Free() // as gRPC does at once
		if got := string(m.ReadOnlyData()); got != want {
			t.Errorf("Unmarshal makes %q of %q", got, want)
		}
		if len(data) == 1 && &m.ReadOnlyData()[0] != &one[0] {
			t.Errorf("Unmarshal copies a message that is in one piece")
		}
		m.Free()
	}
}

// TestCodecMarshal checks that a reply is sent from the memory that it is in, and
// that gRPC gives that back when all references are gone, not earlier.
func TestCodecMarshal(t *testing.T) {
	t.Parallel()
	out := replies.Get(0)
	*out = append(*out, "reply"...)
	data, err := Codec().Marshal(&reply{out})
	if err != nil {
		t.Fatal(err)
	}
	if len(data) != 1 || &data[0].ReadOnlyData()[0] != &(*out)[0] {
		t.Fatalf("Marshal = %v, want the memory of the reply", data)
	}
	if _, ok := data[0].(mem.SliceBuffer); ok {
		t.Errorf("the memory of a reply is never given back")
	}
	data.Ref() // the transport's, until it is written
	data.Free()
	if got := string(data.Materialize()); got != "reply" {
		t.Errorf("while it is being sent the reply is %q", got)
	}
	data.Free()
}

// TestReplyPool checks that buffers have the room that they were asked for.
func TestReplyPool(t *testing.T) {
	t.Parallel()
	var p replyPool
	for _, length := range []int{0, 1, replySize, 3 * replySize, 2, maxPooledReply + 1, 0} {
		b := p.Get(length)
		if len(*b) != length || cap(*b) < replySize {
			t.Errorf("Get(%d) has length %d and room for %d", length, len(*b), cap(*b))
		}
		p.Put(b)
	}
}
