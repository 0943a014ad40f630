package processor

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// content is what a request says, in a form that can be compared and outlives
// the message.
type content struct {
	Phase                             phase
	Headers                           [][2]string
	Size                              int
	UsesValue                         bool
	Body                              string
	Flags                             [6]bool
	Observability                     bool
	RequestBodyMode, ResponseBodyMode bodyMode
}

func contentOf(r *request) content {
	c := content{
		Phase: r.phase, Size: r.size, UsesValue: r.usesValue(),
		Body: string(r.chunk.body), Flags: r.chunk.flags, Observability: r.observability,
		RequestBodyMode: r.requestBodyMode, ResponseBodyMode: r.responseBodyMode,
	}
	for _, h := range r.headers {
		c.Headers = append(c.Headers, [2]string{string(h.key), string(h.value)})
	}
	return c
}

// contentOfProto returns the content of a ProcessingRequest, generated or
// dynamic.
func contentOfProto(m protoreflect.Message) content {
	get := func(m protoreflect.Message, n protoreflect.FieldNumber) protoreflect.Value {
		return m.Get(m.Descriptor().Fields().ByNumber(n))
	}
	text := func(v protoreflect.Value) string {
		if b, ok := v.Interface().([]byte); ok {
			return string(b)
		}
		return v.String()
	}
	mode := func(v protoreflect.Value) bodyMode {
		if n, ok := v.Interface().(protoreflect.EnumNumber); ok {
			return bodyMode(n)
		}
		return bodyMode(v.Int())
	}
	c := content{Observability: get(m, observabilityModeField).Bool()}
	config := get(m, protocolConfigField).Message()
	c.RequestBodyMode, c.ResponseBodyMode = mode(get(config, 1)), mode(get(config, 2))
	member := m.WhichOneof(m.Descriptor().Oneofs().ByName("request"))
	if member == nil {
		return c
	}
	c.Phase = phase(member.Number())
	switch c.Phase {
	case requestHeaders:
		raw, plain := false, false
		list := get(get(m.Get(member).Message(), 1).Message(), 1).List()
		for i := range list.Len() {
			h := list.Get(i).Message()
			key, value := text(get(h, 1)), text(get(h, 2))
			if r := get(h, 3).Bytes(); len(r) > 0 {
				raw, value = true, string(r)
			} else if value != "" {
				plain = true
			}
			c.Headers = append(c.Headers, [2]string{key, value})
			c.Size += len(key) + len(value)
		}
		c.UsesValue = plain && !raw
	case requestBody, responseBody:
		chunk := m.Get(member).Message()
		c.Body = string(get(chunk, 1).Bytes())
		for n := 2; n <= 5; n++ {
			c.Flags[n] = get(chunk, protoreflect.FieldNumber(n)).Bool()
		}
	}
	return c
}

// projected is ProcessingRequest as the reader sees it: strings are bytes, and
// so is every message that the reader does not look into.
var projected = func() protoreflect.MessageDescriptor {
	inside := map[protoreflect.FullName]bool{
		"envoy.service.ext_proc.v3.ProcessingRequest.request_headers": true,
		"envoy.service.ext_proc.v3.ProcessingRequest.request_body":    true,
		"envoy.service.ext_proc.v3.ProcessingRequest.response_body":   true,
		"envoy.service.ext_proc.v3.ProcessingRequest.protocol_config": true,
		"envoy.service.ext_proc.v3.HttpHeaders.headers":               true,
		"envoy.config.core.v3.HeaderMap.headers":                      true,
	}
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("projected.proto"), Package: proto.String("projected"), Syntax: proto.String("proto3"),
	}
	done := map[protoreflect.FullName]bool{}
	var project func(m protoreflect.MessageDescriptor)
	project = func(m protoreflect.MessageDescriptor) {
		if done[m.FullName()] {
			return
		}
		done[m.FullName()] = true
		out := &descriptorpb.DescriptorProto{Name: proto.String(string(m.Name()))}
		for i := range m.Oneofs().Len() {
			out.OneofDecl = append(out.OneofDecl, &descriptorpb.OneofDescriptorProto{
				Name: proto.String(string(m.Oneofs().Get(i).Name())),
			})
		}
		for i := range m.Fields().Len() {
			in := m.Fields().Get(i)
			f := protodesc.ToFieldDescriptorProto(in)
			f.TypeName, f.Options, f.JsonName = nil, nil, nil
			switch {
			case inside[in.FullName()]:
				f.TypeName = proto.String(".projected." + string(in.Message().Name()))
				project(in.Message())
			case in.Kind() == protoreflect.MessageKind, in.Kind() == protoreflect.StringKind:
				f.Type = descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum()
			case in.Kind() == protoreflect.EnumKind:
				f.Type = descriptorpb.FieldDescriptorProto_TYPE_INT32.Enum()
			}
			out.Field = append(out.Field, f)
		}
		file.MessageType = append(file.MessageType, out)
	}
	project((*extprocv3.ProcessingRequest)(nil).ProtoReflect().Descriptor())
	fd, err := protodesc.NewFile(file, nil)
	if err != nil {
		panic(err)
	}
	return fd.Messages().ByName("ProcessingRequest")
}()

// checkRead compares the reader with the protobuf library on msg.
func checkRead(t *testing.T, r *request, msg []byte) {
	t.Helper()
	ok := r.read(msg)
	got := contentOf(r)

	dynamic := dynamicpb.NewMessage(projected)
	err := proto.Unmarshal(msg, dynamic)
	if ok != (err == nil) {
		t.Fatalf("read(%x) = %v, but unmarshalling the projected message returns: %v", msg, ok, err)
	}
	if ok {
		if diff := cmp.Diff(contentOfProto(dynamic), got); diff != "" {
			t.Fatalf("read(%x) differs from the projected message (-proto +read):\n%s", msg, diff)
		}
	}
	var generated extprocv3.ProcessingRequest
	if err := proto.Unmarshal(msg, &generated); err == nil {
		if !ok {
			t.Fatalf("read(%x) fails, but proto.Unmarshal does not", msg)
		}
		if diff := cmp.Diff(contentOfProto(generated.ProtoReflect()), got); diff != "" {
			t.Fatalf("read(%x) differs from proto.Unmarshal (-proto +read):\n%s", msg, diff)
		}
	}

	if o, certain := outlineOf(msg); ok && (!certain || o != r.outline) {
		t.Fatalf("outlineOf(%x) = %+v, %v, want %+v, true", msg, o, certain, r.outline)
	}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rawHeaders returns a HeaderMap as current Envoys send it, from names and
// values in turn.
func rawHeaders(pairs ...string) *corev3.HeaderMap {
	m := &corev3.HeaderMap{}
	for i := 0; i < len(pairs); i += 2 {
		m.Headers = append(m.Headers, &corev3.HeaderValue{Key: pairs[i], RawValue: []byte(pairs[i+1])})
	}
	return m
}

// plainHeaders is rawHeaders for an Envoy of version 1.26 or earlier.
func plainHeaders(pairs ...string) *corev3.HeaderMap {
	m := &corev3.HeaderMap{}
	for i := 0; i < len(pairs); i += 2 {
		m.Headers = append(m.Headers, &corev3.HeaderValue{Key: pairs[i], Value: pairs[i+1]})
	}
	return m
}

// mixed returns the headers of all maps.
func mixed(maps ...*corev3.HeaderMap) *corev3.HeaderMap {
	all := &corev3.HeaderMap{}
	for _, m := range maps {
		all.Headers = append(all.Headers, m.Headers...)
	}
	return all
}

func headersRequest(m *corev3.HeaderMap) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{
		RequestHeaders: &extprocv3.HttpHeaders{Headers: m},
	}}
}

// browserHeaders are the 20 headers of a page load as Envoy forwards them, with
// the key in the middle.
func browserHeaders() []string {
	return []string{
		":authority", "shop.example.com",
		":path", "/products/4711?ref=home&campaign=spring",
		":method", "GET",
		":scheme", "https",
		"cache-control", "max-age=0",
		"sec-ch-ua", `"Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"`,
		"sec-ch-ua-mobile", "?0",
		"sec-ch-ua-platform", `"Linux"`,
		"upgrade-insecure-requests", "1",
		"user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
		"x-user-id", "jessie",
		"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
		"sec-fetch-site", "same-origin",
		"sec-fetch-mode", "navigate",
		"accept-encoding", "gzip, deflate, br, zstd",
		"accept-language", "en-GB,en;q=0.9,de;q=0.8",
		"cookie", "session=0a1b2c3d4e5f60718293a4b5c6d7e8f9; theme=dark; consent=all; _ga=GA1.1.123456789.1700000000; cart=" + strings.Repeat("ab12", 20),
		"x-forwarded-for", "203.0.113.7",
		"x-forwarded-proto", "https",
		"x-request-id", "6f1f2f3e-9d1c-4b58-8a51-0d6bfe1c7a55",
	}
}

// readSeeds are messages on which a reader can go wrong, by name.
func readSeeds(t testing.TB) map[string][]byte {
	t.Helper()
	key, raw, plain := protowire.AppendTag(nil, 1, protowire.BytesType), byte(0x1a), byte(0x12)
	entry := func(fields ...[]byte) []byte {
		var h []byte
		for _, f := range fields {
			h = append(h, f...)
		}
		return protowire.AppendBytes([]byte{0x0a}, h)
	}
	member := func(p phase, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, protowire.Number(p), protowire.BytesType), b)
	}
	headers := func(entries ...[]byte) []byte {
		var m []byte
		for _, e := range entries {
			m = append(m, e...)
		}
		return member(requestHeaders, protowire.AppendBytes([]byte{0x0a}, m))
	}
	str := func(tag byte, s string) []byte { return protowire.AppendBytes([]byte{tag}, []byte(s)) }
	join := func(parts ...[]byte) []byte {
		var b []byte
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	user := headers(entry(str(key[0], "x-user-id"), str(raw, "jason")))
	config := func(request, response filterv3.ProcessingMode_BodySendMode) []byte {
		return marshal(t, &extprocv3.ProcessingRequest{ProtocolConfig: &extprocv3.ProtocolConfiguration{
			RequestBodyMode: request, ResponseBodyMode: response, SendBodyWithoutWaitingForHeaderResponse: true,
		}})
	}
	return map[string][]byte{
		"empty":                      {},
		"browser":                    marshal(t, headersRequest(rawHeaders(browserHeaders()...))),
		"browser, value":             marshal(t, headersRequest(plainHeaders(browserHeaders()...))),
		"no headers":                 member(requestHeaders, nil),
		"member repeated":            join(user, headers(entry(str(0x0a, "b"), str(raw, "2")))),
		"last member wins":           join(user, member(responseHeaders, nil)),
		"member, other, member":      join(user, member(requestTrailers, nil), headers(entry(str(0x0a, "b"), str(raw, "2")))),
		"header map repeated":        member(requestHeaders, join(str(0x0a, string(entry(str(0x0a, "a")))), str(0x0a, string(entry(str(0x0a, "b")))))),
		"key repeated":               headers(entry(str(0x0a, "a"), str(0x0a, "b"), str(raw, "1"))),
		"raw_value repeated":         headers(entry(str(0x0a, "a"), str(raw, "1"), str(raw, ""))),
		"raw_value and value":        headers(entry(str(0x0a, "a"), str(raw, "1"), str(plain, "2"))),
		"value, then raw_value":      headers(entry(str(0x0a, "a"), str(plain, "2")), entry(str(0x0a, "b"), str(raw, "1"))),
		"no key":                     headers(entry(str(raw, "1"))),
		"empty entry":                headers(entry()),
		"not UTF-8":                  headers(entry(str(0x0a, "x-user-id"), str(raw, "\xff\xfe"))),
		"not UTF-8 in value":         headers(entry(str(0x0a, "x-\xff"), str(plain, "\xff\xfe"))),
		"long value":                 headers(entry(str(0x0a, "a"), str(raw, strings.Repeat("v", 1<<14)))),
		"key length of two bytes":    headers(entry([]byte{0x0a, 0x85, 0x00}, []byte("x-lan"), str(raw, strings.Repeat("v", 124)+"\x1a\x02zz"))),
		"overlong length":            {0x12, 0x85, 0x00, 0x0a, 0x80, 0x00, 0x1a, 0x00},
		"length of ten bytes":        {0x12, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00},
		"length overflows":           {0x12, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02},
		"length beyond the end":      {0x12, 0x05, 0x0a},
		"truncated length":           {0x12, 0x80},
		"truncated tag":              {0x80},
		"truncated inside":           append([]byte{0x12, byte(len(user) - 3)}, user[2:len(user)-1]...),
		"tag of two bytes":           {0x92, 0x00, 0x00},
		"field number 0":             {0x02, 0x00},
		"field number too large":     protowire.AppendVarint(nil, 1<<32|2),
		"reserved wire type":         {0x17, 0x00},
		"request_headers as varint":  {0x10, 0x01},
		"observability as bytes":     {0x52, 0x01, 0x01},
		"unknown fields":             join([]byte{0xa0, 0x06, 0x01, 0xa5, 0x06, 1, 2, 3, 4, 0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8}, user, str(0xa2, "\x06")),
		"group":                      join([]byte{0xa3, 0x06, 0x08, 0x01, 0xa4, 0x06}, user),
		"group in a header":          headers(entry(str(0x0a, "a"), []byte{0x23, 0x24}, str(raw, "1"))),
		"group not ended":            {0xa3, 0x06, 0x08, 0x01},
		"group ended by another":     {0xa3, 0x06, 0xac, 0x06},
		"end of no group":            {0xa4, 0x06},
		"observability":              join(user, []byte{0x50, 0x01}),
		"observability taken back":   join(user, []byte{0x50, 0x01, 0x50, 0x00}),
		"protocol_config":            join(user, config(filterv3.ProcessingMode_FULL_DUPLEX_STREAMED, filterv3.ProcessingMode_NONE)),
		"protocol_config merged":     join(config(filterv3.ProcessingMode_FULL_DUPLEX_STREAMED, 0), config(0, filterv3.ProcessingMode_FULL_DUPLEX_STREAMED)),
		"mode of 64 bits":            {0x5a, 0x0b, 0x08, 0x84, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
		"body":                       member(requestBody, marshal(t, &extprocv3.HttpBody{Body: []byte("chunk"), EndOfStream: true})),
		"body repeated":              join(member(responseBody, str(0x0a, "one")), member(responseBody, []byte{0x20, 0x01})),
		"body repeated, then erased": join(member(responseBody, str(0x0a, "one")), member(responseBody, str(0x0a, ""))),
		"bodies of both sides":       join(member(requestBody, str(0x0a, "one")), member(responseBody, []byte{0x10, 0x02})),
		"malformed body":             member(requestBody, []byte{0x0a, 0x09}),
		"trailers":                   member(requestTrailers, []byte{0x0a, 0x09}),
		"attributes":                 join([]byte{0x4a, 0x03, 0xff, 0xff, 0xff}, user),
		"malformed protocol_config":  join(user, []byte{0x5a, 0x03, 0x08, 0x04, 0x80}),
		"malformed, protocol_config": join([]byte{0x12, 0x01, 0x80}, config(filterv3.ProcessingMode_FULL_DUPLEX_STREAMED, 0), []byte{0x50, 0x01}),
		"truncated protocol_config":  join([]byte{0x12, 0x01, 0x80}, config(filterv3.ProcessingMode_FULL_DUPLEX_STREAMED, 0)[:4]),
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	var r request
	for name, msg := range readSeeds(t) {
		t.Run(name, func(t *testing.T) { checkRead(t, &r, msg) })
	}
}

// TestReadTruncated cuts a message at every byte.
func TestReadTruncated(t *testing.T) {
	t.Parallel()
	var r request
	msg := readSeeds(t)["browser"]
	for n := range msg {
		checkRead(t, &r, msg[:n])
	}
}

func FuzzRead(f *testing.F) {
	for _, msg := range readSeeds(f) {
		f.Add(msg)
	}
	var r request
	f.Fuzz(func(t *testing.T, msg []byte) { checkRead(t, &r, msg) })
}

// TestOutlineOf checks what is certain about messages that cannot be read.
func TestOutlineOf(t *testing.T) {
	t.Parallel()
	seeds := readSeeds(t)
	tests := []struct {
		seed    string
		want    outline
		certain bool
	}{
		{"truncated inside", outline{phase: requestHeaders}, true},
		{"malformed body", outline{phase: requestBody}, true},
		{"malformed protocol_config", outline{phase: requestHeaders, requestBodyMode: fullDuplexStreamed}, true},
		{"malformed, protocol_config", outline{phase: requestHeaders, requestBodyMode: fullDuplexStreamed, observability: true}, true},
		{"truncated protocol_config", outline{phase: requestHeaders}, false},
		{"last member wins", outline{phase: responseHeaders}, true},
		{"length beyond the end", outline{}, false},
		{"empty", outline{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.seed, func(t *testing.T) {
			t.Parallel()
			var r request
			if ok := r.read(seeds[tt.seed]); ok && tt.seed != "last member wins" && tt.seed != "empty" {
				t.Errorf("the message can be read")
			}
			if o, certain := outlineOf(seeds[tt.seed]); o != tt.want || certain != tt.certain {
				t.Errorf("outlineOf = %+v, %v, want %+v, %v", o, certain, tt.want, tt.certain)
			}
		})
	}
}
