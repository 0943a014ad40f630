package processor

import (
	"google.golang.org/grpc"

	// Reflection finds the descriptor of the service's .proto file here.
	_ "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// ServiceName is the full name of the gRPC service, by which health is asked.
const ServiceName = "envoy.service.ext_proc.v3.ExternalProcessor"

// serviceDesc is the service, served without generated messages.
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

// MaxMessageSize is what the server's grpc.MaxRecvMsgSize should be: a larger
// message fails the stream, which no handler can prevent. Envoy accepts up to 8
// MiB of headers (max_request_headers_kb); grpc-go's default is 4 MiB.
const MaxMessageSize = 16 << 20

// Register serves p as envoy.service.ext_proc.v3.ExternalProcessor on s, which
// must have been made with grpc.ForceServerCodecV2(Codec()).
func Register(s *grpc.Server, p *Processor) { s.RegisterService(&serviceDesc, p) }

// A call is what one stream needs, in one piece of memory.
type call struct {
	stream Stream
	in     received
	out    reply
}

// process serves one stream and returns when it is to be ended well, which it
// always is. Where the stream broke, nobody is left to hear of it.
func (p *Processor) process(stream grpc.ServerStream) {
	c := &call{stream: *p.NewStream()}
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
	}
}
