package processor

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// nextField reads the first field of b, n bytes long, tag included. The value
// aliases b; of a varint it is the encoded form, for varint.
//
// n is negative where proto.Unmarshal fails: on truncated fields, overlong
// varints, field numbers out of range, reserved wire types, and groups that do
// not end as they began.
//
// The first branch is for almost every field of a request: a field number below 16 and
// less than 16 KiB of bytes.
func nextField(b []byte) (num protowire.Number, typ protowire.Type, value []byte, n int) {
	if len(b) >= 3 && b[0]&0x87 == byte(protowire.BytesType) && b[0] >= 1<<3 {
		size, at := shortLength(b, 1)
		if end := at + size; size < 1<<14 && end <= len(b) {
			return protowire.Number(b[0] >> 3), protowire.BytesType, b[at:end], end
		}
	}
	return nextFieldSlow(b)
}

// shortLength decodes the length at b[at], which another byte must follow, and returns
// where the value begins. It returns 1<<14 or more for a length of more than two bytes.
func shortLength(b []byte, at int) (size, start int) {
	if b[at] < 0x80 {
		return int(b[at]), at + 1
	}
	return int(b[at]&0x7f) | int(b[at+1])<<7, at + 2
}

func nextFieldSlow(b []byte) (num protowire.Number, typ protowire.Type, value []byte, n int) {
	num, typ, at := protowire.ConsumeTag(b)
	if at < 0 || num > protowire.MaxValidNumber {
		return 0, 0, nil, -1
	}
	b = b[at:]
	if typ == protowire.BytesType {
		value, n = protowire.ConsumeBytes(b)
	} else if n = protowire.ConsumeFieldValue(num, typ, b); n >= 0 {
		value = b[:n]
	}
	if n < 0 {
		return 0, 0, nil, -1
	}
	return num, typ, value, at + n
}

// varint decodes a value of VarintType that nextField returned.
func varint(value []byte) uint64 {
	v, _ := protowire.ConsumeVarint(value)
	return v
}
