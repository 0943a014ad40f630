package processor

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// A phase is what a ProcessingRequest asks about: the member of its oneof
// "request" that is set, by field number.
type phase uint8

const (
	noPhase          phase = 0 // no member is set
	requestHeaders   phase = 2
	responseHeaders  phase = 3
	requestBody      phase = 4
	responseBody     phase = 5
	requestTrailers  phase = 6
	responseTrailers phase = 7
)

// Fields of ProcessingRequest beside its oneof.
const (
	observabilityModeField = 10
	protocolConfigField    = 11
)

// An outline is what the fields of a ProcessingRequest itself say, without headers and
// bodies.
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
// It does not for the mode GRPC (5): Envoy 1.40 lets such a body pass when the stream
// ends, and answers 500 if a piece of one with a content-length is handed back.
func (m bodyMode) streamed() bool { return m == fullDuplexStreamed }

// outlineOf returns the outline of b, which request.read refused or nobody has read. It
// is certain unless b itself is malformed: faults inside a member do not matter, and the
// part of protocol_config before its fault counts. So a stream that has bodies to hand
// back is known as such.
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

// A header is one entry of the request's HeaderMap. A header that was sent
// twice is two entries. Both slices alias the message.
type header struct {
	key, value []byte
}

// size is that of the name and the value, in bytes.
func (h *header) size() int { return len(h.key) + len(h.value) }

// A request is what tagproc needs from a ProcessingRequest. read fills it for one message
// after another, and allocates only to make room for more headers than it ever held.
type request struct {
	outline

	headers []header  // of requestHeaders, at most most of them
	most    int       // 0: any number
	more    bool      // the message has more headers than most
	size    int       // of all keys and values, in bytes
	chunk   bodyChunk // of requestBody and responseBody

	rawValues   bool // a header value came in the field raw_value
	plainValues bool // a header value came in the field value
}

// usesValue reports whether the request had its header values in the field value, as
// Envoy up to 1.26 sends them and expects them in the reply.
func (r *request) usesValue() bool { return r.plainValues && !r.rawValues }

// read fills r from the ProcessingRequest in b and reports whether b is well-formed. If a
// field is repeated, b means the same as to proto.Unmarshal: the last member of the oneof
// counts; the same member again is merged, as any message field, so that its headers are
// appended; the last of any other field counts. Fields of a wrong type are skipped as if
// unknown.
//
// read looks only into what tagproc needs. Unlike proto.Unmarshal, it accepts keys and
// values that are not UTF-8.
func (r *request) read(b []byte) bool {
	r.outline = outline{}
	r.begin(noPhase)
	for len(b) > 0 {
		num, typ, value, n := nextField(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		ok := true
		switch {
		case typ == protowire.BytesType && isPhase(num):
			ok = r.readPhase(phase(num), value)
		case typ == protowire.BytesType && num == protocolConfigField:
			ok = r.readProtocolConfig(value)
		case typ == protowire.VarintType && num == observabilityModeField:
			r.observability = varint(value) != 0
		}
		if !ok {
			return false
		}
	}
	return true
}

// begin makes p the member that is set, and forgets another one.
func (r *request) begin(p phase) {
	r.phase = p
	clear(r.headers)
	r.headers, r.more, r.size = r.headers[:0], false, 0
	r.rawValues, r.plainValues = false, false
	r.chunk = bodyChunk{}
}

// readPhase reads a member of the oneof.
func (r *request) readPhase(p phase, b []byte) bool {
	if r.phase != p {
		r.begin(p)
	}
	switch p {
	case requestHeaders:
		return r.readHTTPHeaders(b)
	case requestBody, responseBody:
		return r.chunk.read(b)
	}
	return true
}

// readHTTPHeaders reads an HttpHeaders.
func (r *request) readHTTPHeaders(b []byte) bool {
	for len(b) > 0 {
		num, typ, value, n := nextField(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		if num == 1 && typ == protowire.BytesType && !r.readHeaderMap(value) {
			return false
		}
	}
	return true
}

// readHeaderMap reads a HeaderMap.
func (r *request) readHeaderMap(b []byte) bool {
	for len(b) > 0 {
		num, typ, value, n := nextField(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		if num == 1 && typ == protowire.BytesType && !r.readHeader(value) {
			return false
		}
	}
	return true
}

// readHeader reads a HeaderValue.
func (r *request) readHeader(b []byte) bool {
	key, raw, ok := usualHeader(b)
	var plain []byte
	if !ok {
		if key, raw, plain, ok = anyHeader(b); !ok {
			return false
		}
	}
	value := raw
	switch {
	case len(raw) > 0:
		r.rawValues = true
	case len(plain) > 0:
		r.plainValues = true
		value = plain
	}
	r.size += len(key) + len(value)
	if len(r.headers) == r.most && r.most > 0 {
		r.more = true
		return true
	}
	r.headers = append(r.headers, header{key, value})
	return true
}

// What filters before tagproc's may add to a request beyond the limits that Envoy's
// connection manager sets for clients.
const (
	spareHeaders = 100
	spareBytes   = 60 << 10
)

// exceeds reports whether r has more than any Envoy with these limits sends. No tag fits
// into such a request, and tagproc does not look into it.
func (r *request) exceeds(l Limits) bool { return r.more || r.size > l.MaxHeaderBytes+spareBytes }

// usualHeader splits a HeaderValue that has only a key and a raw_value, in this order, as
// Envoy writes them. It exists only for speed.
func usualHeader(b []byte) (key, raw []byte, ok bool) {
	const keyTag, rawTag = 1<<3 | byte(protowire.BytesType), 3<<3 | byte(protowire.BytesType)
	if len(b) < 5 || b[0] != keyTag || b[1] >= 0x80 {
		return nil, nil, false
	}
	end := 2 + int(b[1])
	if end+3 > len(b) || b[end] != rawTag {
		return nil, nil, false
	}
	size, at := shortLength(b, end+1)
	if size >= 1<<14 || at+size != len(b) {
		return nil, nil, false
	}
	return b[2:end], b[at:], true
}

// anyHeader splits any HeaderValue.
func anyHeader(b []byte) (key, raw, plain []byte, ok bool) {
	for len(b) > 0 {
		num, typ, value, n := nextField(b)
		if n < 0 {
			return nil, nil, nil, false
		}
		b = b[n:]
		if typ != protowire.BytesType {
			continue
		}
		switch num {
		case 1:
			key = value
		case 2:
			plain = value
		case 3:
			raw = value
		}
	}
	return key, raw, plain, true
}

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
