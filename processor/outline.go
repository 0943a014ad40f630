package processor

import "google.golang.org/protobuf/encoding/protowire"

// An outline is what a ProcessingRequest says by its own fields, without a look
// into headers and bodies.
type outline struct {
	phase            phase
	observability    bool
	requestBodyMode  bodyMode // of protocol_config
	responseBodyMode bodyMode
}

// A bodyMode is a ProcessingMode.BodySendMode.
type bodyMode int32

const fullDuplexStreamed bodyMode = 4

// streamed reports whether Envoy waits for every piece of such a body to be
// handed back in a StreamedBodyResponse.
//
// The mode GRPC (5) is none: Envoy 1.40 lets such a body pass when the stream
// ends, and answers 500 where a piece of one with a content-length is handed back.
func (m bodyMode) streamed() bool { return m == fullDuplexStreamed }

// outlineOf returns the outline of b, which request.read refused or nobody has
// read. It is certain unless b itself is malformed: what is malformed inside of
// a member does not matter, and of protocol_config counts what stands before.
// So a stream that has bodies to hand back is known as such.
func outlineOf(b []byte) (o outline, certain bool) {
	for len(b) > 0 {
		num, typ, value, n := nextField(b)
		if n < 0 {
			return o, false
		}
		b = b[n:]
		switch {
		case typ == protowire.BytesType && isPhase(num):
			o.phase = phase(num)
		case typ == protowire.BytesType && num == protocolConfigField:
			o.readProtocolConfig(value)
		case typ == protowire.VarintType && num == observabilityModeField:
			o.observability = varint(value) != 0
		}
	}
	return o, true
}

func isPhase(n protowire.Number) bool {
	return protowire.Number(requestHeaders) <= n && n <= protowire.Number(responseTrailers)
}

// readProtocolConfig reads a ProtocolConfiguration.
func (o *outline) readProtocolConfig(b []byte) bool {
	for len(b) > 0 {
		num, typ, value, n := nextField(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		if typ != protowire.VarintType {
			continue
		}
		switch num {
		case 1:
			o.requestBodyMode = bodyMode(varint(value))
		case 2:
			o.responseBodyMode = bodyMode(varint(value))
		}
	}
	return true
}
