package processor

import (
	"strings"
	"testing"

	"google.golang.org/grpc/mem"
)

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

// TestCodecMarshal holds that a reply is sent from the memory that it is in, and
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

// TestReplyPool holds that buffers have the room that they were asked for.
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
