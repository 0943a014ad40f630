package processor

import (
	"sync"

	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Codec returns the codec that a server of [Register] needs, as
// grpc.ForceServerCodecV2(processor.Codec()). It hands the messages of the
// method Process through as bytes and leaves those of every other method, such
// as health and reflection, to grpc-go's own codec.
func Codec() encoding.CodecV2 {
	return codec{encoding.GetCodecV2(protocodec.Name)}
}

type codec struct {
	encoding.CodecV2 // for ordinary messages
}

// A received is a message from Envoy in the wire format.
type received struct{ mem.Buffer }

// A reply is a message for Envoy in the wire format. Its memory comes from
// replies; whoever marshals it gives it away.
type reply struct{ data *[]byte }

// Unmarshal makes a received refer to data, in place where data is in one piece,
// as all but huge messages are. The caller is to free it.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*received); ok {
		m.Buffer = data.MaterializeToBuffer(mem.DefaultBufferPool())
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}

// Marshal hands the memory of a reply to gRPC. SendMsg returns before the
// message is written; only when it is does gRPC give the memory back to replies.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(*reply); ok {
		return mem.BufferSlice{mem.NewBuffer(m.data, replies)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// replies is where replies get their memory.
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
