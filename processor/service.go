package processor

import (
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	// Reflection finds the descriptor of the service's .proto file here.
	_ "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// ServiceName is the full name of the gRPC service, also in health checks.
const ServiceName = "envoy.service.ext_proc.v3.ExternalProcessor"

// serviceDesc describes the service, which is served without generated messages.
var serviceDesc = grpc.ServiceDesc{
	ServiceName: ServiceName,
	HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{{
		StreamName: "Process",
		Handler: func(srv any, stream grpc.ServerStream) error {
			srv.(*Processor).process(stream)
			return nil
		},
		ServerStreams: true,
		ClientStreams: true,
	}},
	Metadata: "envoy/service/ext_proc/v3/external_processor.proto",
}

// Register serves p as envoy.service.ext_proc.v3.ExternalProcessor on s. s needs the
// option grpc.ForceServerCodecV2(Codec()).
//
// A message above the grpc.MaxRecvMsgSize of s does not reach p: grpc-go fails its stream
// with RESOURCE_EXHAUSTED, whatever a handler returns. Request headers then pass
// unchanged, including forged tags, if failure_mode_allow is set; otherwise the client
// gets a 500. For a piece of a body in mode FULL_DUPLEX_STREAMED it gets a 500 even with
// failure_mode_allow. So the limit must be above what Envoy sends: up to
// max_request_headers_kb of headers (60 KiB by default, 8 MiB at most), and in that mode
// as much of a body as Envoy has in its buffers. The largest pieces of uploads to Envoy
// 1.40.0 and 1.36.4 with default buffers had this many bytes:
//
//	HTTP/1.1                                           1,064,281 (1 MiB and 16 KiB)
//	HTTP/1.1, with a filter before this one that waits 2,097,019
//	HTTP/2                                             16,396
//	HTTP/2, with a filter before this one that waits   16,793,612 (16 MiB and 16 KiB)
//
// per_connection_buffer_limit_bytes of the listener bounds the first two, and
// initial_stream_window_size of its http2_protocol_options the last. The size is
// the same whether tagproc answers at once or after seconds.
func Register(s *grpc.Server, p *Processor) { s.RegisterService(&serviceDesc, p) }

// A call is what one stream needs, in one piece of memory.
type call struct {
	stream Stream
	in     received
	out    reply
}

// A lasting stream is one whose server ends it unless a request begins on it in time.
type lasting interface{ Begun() }

// process serves one stream and ends it well: it never returns an error, since on a broken
// stream nobody is left to hear of it.
func (p *Processor) process(stream grpc.ServerStream) {
	c := &call{stream: *p.NewStreamOf(p.directionOf(stream.Context()))}
	begun := false
	for {
		if stream.RecvMsg(&c.in) != nil {
			return
		}
		out := replies.Get(0)
		data, more := c.stream.Reply(*out, c.in.ReadOnlyData())
		c.in.Free()
		*out = data
		if c.out.data = out; len(data) == 0 {
			replies.Put(out)
		} else if stream.SendMsg(&c.out) != nil {
			return
		}
		if !more {
			return
		}
		if len(data) > 0 && !begun { // a message without a reply does not begin a request
			begun = true
			if l, ok := stream.(lasting); ok {
				l.Begun()
			}
		}
	}
}

// Codec returns the codec that a server of [Register] needs, as
// grpc.ForceServerCodecV2(processor.Codec()). It passes the messages of the method Process
// through as bytes, and leaves those of every other method, such as health and
// reflection, to grpc-go's own codec.
func Codec() encoding.CodecV2 {
	return codec{encoding.GetCodecV2(protocodec.Name)}
}

type codec struct {
	encoding.CodecV2 // for ordinary messages
}

// A received is a message from Envoy in the wire format.
type received struct{ mem.Buffer }

// A reply is a message for Envoy in the wire format. Its memory comes from replies, and
// Marshal gives the memory away.
type reply struct{ data *[]byte }

// Unmarshal makes a received refer to data, in place if data is in one piece, as all but
// huge messages are. The caller frees it.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*received); ok {
		m.Buffer = data.MaterializeToBuffer(mem.DefaultBufferPool())
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}

// Marshal hands the memory of a reply to gRPC. SendMsg returns before the message is
// written; gRPC gives the memory back to replies afterwards.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(*reply); ok {
		return mem.BufferSlice{mem.NewBuffer(m.data, replies)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// replies is the pool of the memory of replies.
var replies = &replyPool{}

// A replyPool is a mem.BufferPool of buffers for one reply each.
type replyPool struct{ pool sync.Pool }

const (
	// replySize is the room of a new buffer: enough for most replies, and more
	// than mem.NewBuffer finds too little to be given back.
	replySize = 4 << 10
	// maxPooledReply is the largest buffer that is kept. A piece of a body may
	// need more.
	maxPooledReply = 256 << 10
)

// Get returns a buffer of the given length.
func (p *replyPool) Get(length int) *[]byte {
	b, ok := p.pool.Get().(*[]byte)
	if !ok || cap(*b) < length {
		grown := make([]byte, length, max(length, replySize))
		return &grown
	}
	*b = (*b)[:length]
	return b
}

// Put takes a buffer back.
func (p *replyPool) Put(b *[]byte) {
	if cap(*b) <= maxPooledReply {
		p.pool.Put(b)
	}
}
