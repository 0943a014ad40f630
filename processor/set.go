package processor

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tagproc/tagproc/baggage"
)

// The tags of the fields that an entry of HeaderMutation.set_headers is made of.
const (
	mutationSetHeaders = 1<<3 | byte(protowire.BytesType)  // HeaderMutation.set_headers
	optionHeader       = 1<<3 | byte(protowire.BytesType)  // HeaderValueOption.header
	optionAppendAction = 3<<3 | byte(protowire.VarintType) // HeaderValueOption.append_action
	headerKey          = 1<<3 | byte(protowire.BytesType)  // HeaderValue.key
	headerValue        = 2<<3 | byte(protowire.BytesType)  // HeaderValue.value
	headerRawValue     = 3<<3 | byte(protowire.BytesType)  // HeaderValue.raw_value
)

// overwriteOrAdd is HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD.
const overwriteOrAdd = 2

// appendSet appends what encodeSet returns for a header.
func appendSet(dst, name, value []byte, plain bool) []byte {
	header := 1 + protowire.SizeBytes(len(name)) + 1 + protowire.SizeBytes(len(value))
	option := 1 + protowire.SizeBytes(header) + 2
	dst = protowire.AppendVarint(append(dst, mutationSetHeaders), uint64(option))
	dst = protowire.AppendVarint(append(dst, optionHeader), uint64(header))
	dst = protowire.AppendBytes(append(dst, headerKey), name)
	field := headerRawValue
	if plain {
		field = headerValue
	}
	dst = protowire.AppendBytes(append(dst, field), value)
	return append(dst, optionAppendAction, overwriteOrAdd)
}

// baggageName is baggage.Header.
var baggageName = []byte(baggage.Header)
