package processor

import "google.golang.org/protobuf/encoding/protowire"

// A bodyChunk is an HttpBody, and a StreamedBodyResponse: they have the same
// fields.
type bodyChunk struct {
	body  []byte             // field 1; it aliases the message
	flags [lastFlag + 1]bool // fields firstFlag to lastFlag: end_of_stream and others
}

const (
	firstFlag protowire.Number = 2
	lastFlag  protowire.Number = 5
)

// read adds the HttpBody in b to c and reports whether it is well-formed.
func (c *bodyChunk) read(b []byte) bool {
	for len(b) > 0 {
		num, typ, value, n := nextField(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		switch {
		case num == 1 && typ == protowire.BytesType:
			c.body = value
		case firstFlag <= num && num <= lastFlag && typ == protowire.VarintType:
			c.flags[num] = varint(value) != 0
		}
	}
	return true
}

// appendChunk appends the ProcessingResponse that hands c, which came in phase
// p, back as it is.
func appendChunk(dst []byte, p phase, c *bodyChunk) []byte {
	size := 0
	if len(c.body) > 0 {
		size += 1 + protowire.SizeBytes(len(c.body))
	}
	for _, set := range c.flags {
		if set {
			size += 2
		}
	}
	bodyMutation := 1 + protowire.SizeBytes(size)
	common := 1 + protowire.SizeBytes(bodyMutation)
	bodyResponse := 1 + protowire.SizeBytes(common)

	// The members of ProcessingResponse's oneof have the numbers of
	// ProcessingRequest's less one.
	for _, nested := range []struct {
		field protowire.Number
		size  int
	}{
		{protowire.Number(p) - 1, bodyResponse},
		{1, common},       // BodyResponse.response
		{3, bodyMutation}, // CommonResponse.body_mutation
		{3, size},         // BodyMutation.streamed_response
	} {
		dst = protowire.AppendTag(dst, nested.field, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(nested.size))
	}
	if len(c.body) > 0 {
		dst = protowire.AppendTag(dst, 1, protowire.BytesType)
		dst = protowire.AppendBytes(dst, c.body)
	}
	for n := firstFlag; n <= lastFlag; n++ {
		if c.flags[n] {
			dst = protowire.AppendTag(dst, n, protowire.VarintType)
			dst = append(dst, 1)
		}
	}
	return dst
}
