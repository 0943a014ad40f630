package hostile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filter "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extproc "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/transport"
)

// An Attack is what a number of connections do until ctx ends. It returns how many
// units of it were done: streams, frames or messages. rate is how many units there
// may be per second; 0: no bound.
type Attack struct {
	Name  string
	Holds bool // whether a bound on its units would make it another attack

	// Connections is how many it takes; 0: as many as others.
	Connections int

	Run func(ctx context.Context, address string, connections, rate int) (units int64, err error)
}

// Attacks returns all known attacks.
func Attacks() []Attack {
	var all []Attack
	for _, f := range Floods {
		all = append(all, f.attack(f.Name))
	}
	for _, h := range holds {
		h.hold = heldStreams
		a := h.attack(h.Name)
		a.Holds = true
		all = append(all, a)
	}
	for _, c := range crowds {
		a := Flood{unit: c.unit}.attack(fmt.Sprintf("%s, over %d connections", c.what, c.connections))
		a.Connections = c.connections
		all = append(all, a)
	}
	for _, c := range costly {
		all = append(all, Attack{Name: c.name, Run: c.run})
	}
	return all
}

func (f Flood) attack(name string) Attack {
	return Attack{Name: name, Run: func(ctx context.Context, address string, connections, rate int) (int64, error) {
		sent, _, err := f.Run(ctx, address, connections, rate)
		return sent, err
	}}
}

// heldStreams is how many streams a connection holds. 8 connections hold more than
// tagproc allows.
const heldStreams = 2500

// holds open streams and hold them.
var holds = []struct {
	Name string
	Flood
}{
	{"silent streams", Flood{unit: (*Peer).Open}},
	{"streams with an empty message", hold(processHeaders, prefixedMessage(&extproc.ProcessingRequest{}))},
	{"half messages", hold(processHeaders, jackAsks[:len(jackAsks)/2])},
	{"messages of 1 MiB that stop after a byte", hold(processHeaders, Prefixed(transport.DefaultMaxMessageBytes, []byte{0x12}))},
	{"request headers, and a body that never comes", hold(processHeaders, prefixedMessage(announced()))},
	{"health, watched", hold(callHeaders(healthv1.Health_Watch_FullMethodName), prefixedMessage(&healthv1.HealthCheckRequest{}))},
	{"health, asked for half", hold(callHeaders(healthv1.Health_Check_FullMethodName), []byte{0, 0, 0})},
	{"reflection", hold(callHeaders(reflection.ServerReflection_ServerReflectionInfo_FullMethodName), prefixedMessage(&reflection.ServerReflectionRequest{
		MessageRequest: &reflection.ServerReflectionRequest_ListServices{},
	}))},
}

// crowds are headers of streams and nothing else, as fast as many connections take them.
var crowds = []struct {
	what        string
	unit        func(p *Peer, n int) error
	connections int
}{
	{"headers of streams", (*Peer).OpenShort, 40},
	{"headers of streams", (*Peer).OpenShort, 500},
	{"headers that end their streams", (*Peer).OpenAndEndShort, 40},
}

func hold(headers, data []byte) Flood {
	return Flood{unit: func(p *Peer, n int) error {
		return errors.Join(
			p.Frames.WriteHeaders(http2.HeadersFrameParam{StreamID: StreamID(n), BlockFragment: headers, EndHeaders: true}),
			p.Frames.WriteData(StreamID(n), false, data),
		)
	}}
}

func prefixedMessage(m proto.Message) []byte {
	data, err := proto.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("encoding a constant: %v", err))
	}
	return Prefixed(len(data), data)
}

// announced is a request whose body is to come.
func announced() *extproc.ProcessingRequest {
	m := UserRequest("jack")
	m.ProtocolConfig = &extproc.ProtocolConfiguration{RequestBodyMode: filter.ProcessingMode_FULL_DUPLEX_STREAMED}
	return m
}

// costly are messages that are cheap to send.
var costly = []messages{
	{name: "1 MiB of headers without name and value", message: func() []byte { return rawHeaders(bytes.Repeat([]byte{0x0a, 0}, 1<<19)) }},
	{name: "40,000 header names", message: func() []byte { return distinctHeaders(40_000) }},
	{name: "40,000 header names, to be collected", direction: "collect", message: func() []byte { return distinctHeaders(40_000) }},
	{name: "a header name of 1 MiB", message: func() []byte {
		return marshalled(&extproc.ProcessingRequest{Request: &extproc.ProcessingRequest_RequestHeaders{RequestHeaders: &extproc.HttpHeaders{
			Headers: &core.HeaderMap{Headers: []*core.HeaderValue{{Key: "appver-" + string(bytes.Repeat([]byte("x"), 1<<20)), RawValue: []byte("v")}}},
		}}})
	}},
	{name: "baggage of 1 MiB", message: func() []byte {
		return marshalled(&extproc.ProcessingRequest{Request: &extproc.ProcessingRequest_RequestHeaders{RequestHeaders: &extproc.HttpHeaders{
			Headers: &core.HeaderMap{Headers: []*core.HeaderValue{{Key: "baggage", RawValue: bytes.Repeat([]byte("appver-a=%25%41,"), 1<<16)}}},
		}}})
	}},
}

// messages are sent as streams of one message each, as fast as they are answered.
type messages struct {
	name      string
	direction string
	message   func() []byte
}

// streamsOfConnection is how many such streams a connection has at a time.
const streamsOfConnection = 4

func (m messages) run(ctx context.Context, address string, connections, _ int) (int64, error) {
	message := m.message()
	if m.direction != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, contract.DirectionKey, m.direction)
	}
	var sent atomic.Int64
	var group sync.WaitGroup
	var conns []*grpc.ClientConn
	defer func() {
		for _, conn := range conns {
			conn.Close()
		}
	}()
	for range connections {
		conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(asIs{})))
		if err != nil {
			return 0, err
		}
		conns = append(conns, conn)
		for range streamsOfConnection {
			group.Go(func() {
				for ctx.Err() == nil {
					if send(ctx, conn, message) == nil {
						sent.Add(1)
					}
				}
			})
		}
	}
	group.Wait()
	return sent.Load(), nil
}

// send sends one message and waits for the end of its stream.
func send(ctx context.Context, conn *grpc.ClientConn, message []byte) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/"+processor.ServiceName+"/Process")
	if err != nil {
		Rest(ctx, redialPause)
		return err
	}
	if err := errors.Join(stream.SendMsg(message), stream.CloseSend()); err != nil {
		return err
	}
	for {
		var reply []byte
		if stream.RecvMsg(&reply) != nil {
			return nil
		}
	}
}

// asIs is a codec of bytes.
type asIs struct{}

func (asIs) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (asIs) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func (asIs) Name() string { return "proto" }

// rawHeaders is a message whose HeaderMap is encoded already.
func rawHeaders(encoded []byte) []byte {
	field := func(tag byte, data []byte) []byte {
		length := len(data)
		out := []byte{tag}
		for ; length >= 0x80; length >>= 7 {
			out = append(out, byte(length)|0x80)
		}
		return append(append(out, byte(length)), data...)
	}
	return field(0x12, field(0x0a, encoded)) // request_headers, and headers in it
}

// distinctHeaders is a message with n headers of different names that a tag may have.
func distinctHeaders(n int) []byte {
	headers := &core.HeaderMap{}
	for i := range n {
		headers.Headers = append(headers.Headers, &core.HeaderValue{Key: fmt.Sprintf("appver-%d", i), RawValue: []byte("v")})
	}
	return marshalled(&extproc.ProcessingRequest{Request: &extproc.ProcessingRequest_RequestHeaders{RequestHeaders: &extproc.HttpHeaders{Headers: headers}}})
}

func marshalled(m proto.Message) []byte { return prefixedMessage(m)[5:] }
