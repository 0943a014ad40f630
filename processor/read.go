package processor

import "google.golang.org/protobuf/encoding/protowire"

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

// A header is one entry of the request's HeaderMap. A header that was sent
// twice is two entries. Both slices alias the message.
type header struct {
	key, value []byte
}

// A request is what tagproc needs to know of a ProcessingRequest. It is filled
// by read, again and again, and allocates only to make room for more headers
// than it ever held.
type request struct {
	outline

	headers []header  // of requestHeaders
	size    int       // of all keys and values in headers, in bytes
	chunk   bodyChunk // of requestBody and responseBody

	rawValues   bool // a header value came in the field raw_value
	plainValues bool // a header value came in the field value
}

// usesValue reports whether the request had its header values in the field
// value, as Envoy up to 1.26 does, and wants them so in the reply.
func (r *request) usesValue() bool { return r.plainValues && !r.rawValues }

// read makes r hold what the ProcessingRequest in b says and reports whether b
// is well-formed. Where b repeats itself it means what proto.Unmarshal makes of
// it: of the oneof's members the last counts; the same member again, like any
// message field, is merged, so that its headers are appended; of any other
// field the last counts. Fields of a wrong type are skipped as if unknown.
//
// Only what tagproc looks at is looked into. In contrast to proto.Unmarshal,
// keys and values need not be UTF-8.
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

// begin makes p the member that is set and forgets what another one said.
func (r *request) begin(p phase) {
	r.phase = p
	clear(r.headers)
	r.headers, r.size = r.headers[:0], 0
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
	r.headers = append(r.headers, header{key, value})
	r.size += len(key) + len(value)
	return true
}

// usualHeader takes a HeaderValue apart that is nothing but a key and a
// raw_value, in this order, as Envoy writes them. It is there for speed alone.
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

// anyHeader takes any HeaderValue apart.
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
