package processor

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/tagproc/tagproc/contract"
)

func responseHeadersRequest() *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseHeaders{
		ResponseHeaders: &extprocv3.HttpHeaders{Headers: rawHeaders(":status", "200", "x-asm-prefer-tag", "s1")},
	}}
}

func requestBodyRequest(b *extprocv3.HttpBody) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: b}}
}

func responseBodyRequest(b *extprocv3.HttpBody) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: b}}
}

func requestTrailersRequest() *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestTrailers{
		RequestTrailers: &extprocv3.HttpTrailers{Trailers: rawHeaders("x-asm-prefer-tag", "s1")},
	}}
}

func responseTrailersRequest() *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseTrailers{
		ResponseTrailers: &extprocv3.HttpTrailers{Trailers: rawHeaders("grpc-status", "0")},
	}}
}

// withModes adds the protocol_config that Envoy sends in the first message of a
// stream.
func withModes(m *extprocv3.ProcessingRequest, request, response filterv3.ProcessingMode_BodySendMode) *extprocv3.ProcessingRequest {
	m.ProtocolConfig = &extprocv3.ProtocolConfiguration{RequestBodyMode: request, ResponseBodyMode: response}
	return m
}

// Replies that change nothing.
var (
	noChange = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{
		RequestHeaders: &extprocv3.HeadersResponse{},
	}}
	noChangeInResponse = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseHeaders{
		ResponseHeaders: &extprocv3.HeadersResponse{},
	}}
	noChangeInRequestBody = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestBody{
		RequestBody: &extprocv3.BodyResponse{},
	}}
	noChangeInResponseBody = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseBody{
		ResponseBody: &extprocv3.BodyResponse{},
	}}
	noChangeInRequestTrailers = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestTrailers{
		RequestTrailers: &extprocv3.TrailersResponse{},
	}}
	noChangeInResponseTrailers = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseTrailers{
		ResponseTrailers: &extprocv3.TrailersResponse{},
	}}
)

// handedBack is the answer to a piece of a streamed body.
func handedBack(b *extprocv3.StreamedBodyResponse) *extprocv3.BodyResponse {
	return &extprocv3.BodyResponse{Response: &extprocv3.CommonResponse{BodyMutation: &extprocv3.BodyMutation{
		Mutation: &extprocv3.BodyMutation_StreamedResponse{StreamedResponse: b},
	}}}
}

func handedBackRequest(b *extprocv3.StreamedBodyResponse) *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestBody{RequestBody: handedBack(b)}}
}

func handedBackResponse(b *extprocv3.StreamedBodyResponse) *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseBody{ResponseBody: handedBack(b)}}
}

// An exchange is a message on a stream and what comes of it.
type exchange struct {
	send *extprocv3.ProcessingRequest
	raw  []byte                        // instead of send
	want *extprocv3.ProcessingResponse // nil: no reply
	more bool
}

func TestStream(t *testing.T) {
	t.Parallel()
	const (
		none       = filterv3.ProcessingMode_NONE
		streamed   = filterv3.ProcessingMode_STREAMED
		buffered   = filterv3.ProcessingMode_BUFFERED
		partial    = filterv3.ProcessingMode_BUFFERED_PARTIAL
		fullDuplex = filterv3.ProcessingMode_FULL_DUPLEX_STREAMED
		grpc       = filterv3.ProcessingMode_GRPC
	)
	user := func(name string) *extprocv3.ProcessingRequest {
		return headersRequest(rawHeaders("x-user-id", name))
	}
	observed := func(m *extprocv3.ProcessingRequest) *extprocv3.ProcessingRequest {
		m.ObservabilityMode = true
		return m
	}
	var bob extprocv3.ProcessingResponse
	p := New(Options{})
	p.SetTable(load(t, walkthrough))
	if reply, _ := p.NewStream().Reply(nil, marshal(t, user("bob"))); proto.Unmarshal(reply, &bob) != nil || len(bob.GetRequestHeaders().GetResponse().GetHeaderMutation().GetSetHeaders()) != 1 {
		t.Fatalf("bob is answered with %v, want one tag", &bob)
	}
	malformedHeaders := append([]byte{0x12}, "\x03\x0a\x05\x0a"...)
	large := strings.Repeat("body", 20_000)

	tests := []struct {
		name      string
		exchanges []exchange
	}{
		{"request headers", []exchange{{send: user("bob"), want: &bob}}},
		{"request headers, nothing to change", []exchange{{send: user("vance"), want: noChange}}},
		{"request headers without headers", []exchange{{send: headersRequest(nil), want: noChange}}},
		{"response headers", []exchange{{send: responseHeadersRequest(), want: noChangeInResponse}}},
		{"request body", []exchange{{send: requestBodyRequest(&extprocv3.HttpBody{Body: []byte("x")}), want: noChangeInRequestBody}}},
		{"response body", []exchange{{send: responseBodyRequest(&extprocv3.HttpBody{Body: []byte("x")}), want: noChangeInResponseBody}}},
		{"request trailers", []exchange{{send: requestTrailersRequest(), want: noChangeInRequestTrailers}}},
		{"response trailers", []exchange{{send: responseTrailersRequest(), want: noChangeInResponseTrailers}}},

		{"bodies in other modes", []exchange{{send: withModes(user("bob"), buffered, streamed), want: &bob}}},
		{"bodies in yet other modes", []exchange{{send: withModes(user("bob"), partial, none), want: &bob}}},
		{"a mode of tomorrow", []exchange{{send: withModes(user("bob"), 6, -1), want: &bob}}},

		{"an empty message first", []exchange{{send: &extprocv3.ProcessingRequest{}, more: true}, {send: user("bob"), want: &bob}}},
		{"flow control first", []exchange{
			{send: withModes(&extprocv3.ProcessingRequest{FlowControlInit: &extprocv3.ProcessingRequest_FlowControlInit{}}, fullDuplex, none), more: true},
			{send: user("bob"), want: &bob, more: true},
		}},
		{"observability", []exchange{{send: observed(user("bob"))}}},
		{"observability of a body", []exchange{{send: observed(withModes(requestBodyRequest(&extprocv3.HttpBody{}), fullDuplex, none))}}},
		{"observability of nothing", []exchange{{send: observed(&extprocv3.ProcessingRequest{})}}},

		{"malformed inside of request headers", []exchange{{raw: malformedHeaders, want: noChange}}},
		{"malformed as a whole", []exchange{{raw: []byte{0x12, 0x7f, 0x0a}}}},
		{"malformed body", []exchange{{raw: []byte{0x22, 0x01, 0x80}}}},
		{"nothing that is protobuf", []exchange{{raw: []byte("GET / HTTP/1.1\r\n")}}},

		{"full duplex, request", []exchange{
			{send: withModes(user("bob"), fullDuplex, none), want: &bob, more: true},
			{
				send: requestBodyRequest(&extprocv3.HttpBody{Body: []byte("first")}),
				want: handedBackRequest(&extprocv3.StreamedBodyResponse{Body: []byte("first")}), more: true,
			},
			{
				send: requestBodyRequest(&extprocv3.HttpBody{Body: []byte(large), EndOfStream: true}),
				want: handedBackRequest(&extprocv3.StreamedBodyResponse{Body: []byte(large), EndOfStream: true}), more: true,
			},
			{send: responseHeadersRequest(), want: noChangeInResponse, more: true},
			{send: responseBodyRequest(&extprocv3.HttpBody{Body: []byte("x")}), want: noChangeInResponseBody, more: true},
			{send: responseTrailersRequest(), want: noChangeInResponseTrailers, more: true},
		}},
		{"full duplex, request with trailers", []exchange{
			{send: withModes(user("vance"), fullDuplex, none), want: noChange, more: true},
			{
				send: requestBodyRequest(&extprocv3.HttpBody{}),
				want: handedBackRequest(&extprocv3.StreamedBodyResponse{}), more: true,
			},
			{send: requestTrailersRequest(), want: noChangeInRequestTrailers, more: true},
		}},
		{"full duplex, response", []exchange{
			{send: withModes(user("bob"), buffered, fullDuplex), want: &bob, more: true},
			{send: requestBodyRequest(&extprocv3.HttpBody{Body: []byte("x"), EndOfStream: true}), want: noChangeInRequestBody, more: true},
			{send: responseHeadersRequest(), want: noChangeInResponse, more: true},
			{
				send: responseBodyRequest(&extprocv3.HttpBody{Body: []byte("x"), EndOfStream: true}),
				want: handedBackResponse(&extprocv3.StreamedBodyResponse{Body: []byte("x"), EndOfStream: true}), more: true,
			},
		}},
		{"full duplex, body first", []exchange{{
			send: withModes(requestBodyRequest(&extprocv3.HttpBody{Body: []byte("x")}), fullDuplex, none),
			want: handedBackRequest(&extprocv3.StreamedBodyResponse{Body: []byte("x")}), more: true,
		}}},
		{"full duplex, every field", []exchange{{
			send: withModes(requestBodyRequest(&extprocv3.HttpBody{
				Body: []byte("x"), EndOfStream: true, EndOfStreamWithoutMessage: true, GrpcMessageCompressed: true, DrainComplete: true,
			}), fullDuplex, none),
			want: handedBackRequest(&extprocv3.StreamedBodyResponse{
				Body: []byte("x"), EndOfStream: true, EndOfStreamWithoutMessage: true, GrpcMessageCompressed: true, DrainComplete: true,
			}), more: true,
		}}},
		{"full duplex, flow control between", []exchange{
			{send: withModes(user("bob"), fullDuplex, none), want: &bob, more: true},
			{send: &extprocv3.ProcessingRequest{ClientWindowUpdate: &extprocv3.ProcessingRequest_ClientWindowUpdate{}}, more: true},
		}},
		{"full duplex, malformed headers", []exchange{
			{send: withModes(user("bob"), fullDuplex, none), want: &bob, more: true},
			{raw: malformedHeaders, want: noChange, more: true},
		}},
		{"full duplex, malformed body", []exchange{
			{send: withModes(user("bob"), fullDuplex, none), want: &bob, more: true},
			{raw: []byte{0x22, 0x01, 0x80}},
		}},
		{"full duplex, malformed first headers", []exchange{
			{raw: slices.Concat(malformedHeaders, marshal(t, withModes(&extprocv3.ProcessingRequest{}, fullDuplex, none))), want: noChange, more: true},
			{
				send: requestBodyRequest(&extprocv3.HttpBody{Body: []byte("x"), EndOfStream: true}),
				want: handedBackRequest(&extprocv3.StreamedBodyResponse{Body: []byte("x"), EndOfStream: true}), more: true,
			},
		}},
		{"full duplex of responses, malformed first headers", []exchange{
			{raw: slices.Concat(marshal(t, withModes(&extprocv3.ProcessingRequest{}, none, fullDuplex)), malformedHeaders), want: noChange, more: true},
		}},
		{"observability, malformed headers", []exchange{
			{raw: slices.Concat(malformedHeaders, marshal(t, observed(withModes(&extprocv3.ProcessingRequest{}, fullDuplex, none))))},
		}},
		{"gRPC messages, which need not come back", []exchange{{send: withModes(user("bob"), grpc, grpc), want: &bob}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := p.NewStream()
			for i, x := range tt.exchanges {
				msg := x.raw
				if x.send != nil {
					msg = marshal(t, x.send)
				}
				reply, more := s.Reply([]byte("before"), msg)
				if more != x.more {
					t.Errorf("message %d: more = %v, want %v", i, more, x.more)
				}
				checkReply(t, strings.TrimPrefix(string(reply), "before"), x.want)
			}
		})
	}
}

// checkReply compares an encoded reply with want, where nil stands for none.
func checkReply(t *testing.T, reply string, want *extprocv3.ProcessingResponse) {
	t.Helper()
	if want == nil {
		if reply != "" {
			t.Errorf("the reply is %q, want none", reply)
		}
		return
	}
	var got extprocv3.ProcessingResponse
	if err := proto.Unmarshal([]byte(reply), &got); err != nil {
		t.Fatalf("the reply %q: %v", reply, err)
	}
	if diff := cmp.Diff(want, &got, protocmp.Transform()); diff != "" {
		t.Errorf("the reply is wrong (-want +got):\n%s", diff)
	}
}

// TestShed has as many messages pending as may be, and sends others.
func TestShed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = 3
		p := New(Options{MaxPending: most, Metadata: true})
		p.SetTable(load(t, walkthrough))
		user := headersRequest(rawHeaders("x-user-id", "jessie", "appver-zz", "forged"))

		// They wait for a scratch, which a decision takes first.
		goOn := make(chan struct{})
		pl := p.plan.Load()
		pl.scratch.New = func() any { <-goOn; return newScratch(pl) }
		for range most {
			go func() {
				if reply, _ := p.NewStream().Reply(nil, marshal(t, user)); len(reply) < 100 {
					t.Errorf("a message that was in time is answered with %x", reply)
				}
			}()
		}
		synctest.Wait()

		observed := headersRequest(rawHeaders("x-user-id", "jessie"))
		observed.ObservabilityMode = true
		for _, tt := range []struct {
			name string
			msg  []byte
			want *extprocv3.ProcessingResponse
		}{
			{"request headers", marshal(t, user), noChange},
			{"observed", marshal(t, observed), nil},
			{"malformed inside", []byte{0x12, 0x01, 0x80}, noChange},
		} {
			reply, more := p.NewStream().Reply(nil, tt.msg)
			if more {
				t.Errorf("%s: the stream goes on", tt.name)
			}
			checkReply(t, string(reply), tt.want)
		}
		s := p.NewStream()
		reply, more := s.Reply(nil, marshal(t, withModes(user, filterv3.ProcessingMode_FULL_DUPLEX_STREAMED, 0)))
		if !more {
			t.Errorf("a stream that has bodies to hand back is ended")
		}
		checkReply(t, string(reply), noChange)
		if got := float64(p.metrics.messages[contract.Gateway][shed].Load()); got != 4 {
			t.Errorf("%v messages are counted as shed, want 4", got)
		}

		close(goOn)
		synctest.Wait()
		reply, more = s.Reply(nil, marshal(t, requestBodyRequest(&extprocv3.HttpBody{Body: []byte("x")})))
		if !more {
			t.Errorf("the stream ends with the first piece of a body")
		}
		checkReply(t, string(reply), handedBackRequest(&extprocv3.StreamedBodyResponse{Body: []byte("x")}))
		if got := float64(p.metrics.messages[contract.Gateway][tagged].Load()); got != most {
			t.Errorf("%v messages are counted as tagged, want %d", got, most)
		}
		if n := p.pending.Load(); n != 0 {
			t.Errorf("%d messages are pending in the end", n)
		}
	})
}

// TestShedLeavesBodies checks that pieces of a body come back at any time.
func TestShedLeavesBodies(t *testing.T) {
	t.Parallel()
	p := New(Options{MaxPending: 1})
	p.SetTable(load(t, walkthrough))
	p.pending.Add(1) // as if one was

	s := p.NewStream()
	first := withModes(headersRequest(rawHeaders("x-user-id", "jessie")), filterv3.ProcessingMode_FULL_DUPLEX_STREAMED, 0)
	for _, x := range []exchange{
		{send: first, want: noChange},
		{
			send: requestBodyRequest(&extprocv3.HttpBody{Body: []byte("x"), EndOfStream: true}),
			want: handedBackRequest(&extprocv3.StreamedBodyResponse{Body: []byte("x"), EndOfStream: true}),
		},
		{send: responseHeadersRequest(), want: noChangeInResponse},
		{send: responseTrailersRequest(), want: noChangeInResponseTrailers},
	} {
		reply, more := s.Reply(nil, marshal(t, x.send))
		if !more {
			t.Errorf("the stream ends with %v", x.send)
		}
		checkReply(t, string(reply), x.want)
	}

	p.pending.Add(-1)
	if reply, _ := p.NewStream().Reply(nil, marshal(t, first)); len(reply) < 50 {
		t.Errorf("when nothing is pending the reply is %x, want tags", reply)
	}
}

// TestShedNothingByDefault checks that so many messages may be pending that no
// ordinary burst comes near.
func TestShedNothingByDefault(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, walkthrough))
	msg := marshal(t, headersRequest(rawHeaders("x-user-id", "jessie")))
	for pending, want := range map[int64]float64{999: 0, 1000: 1} {
		before := float64(p.metrics.messages[contract.Gateway][shed].Load())
		p.pending.Store(pending)
		p.NewStream().Reply(nil, msg)
		if got := float64(p.metrics.messages[contract.Gateway][shed].Load()) - before; got != want {
			t.Errorf("with %d messages pending %v are shed, want %v", pending, got, want)
		}
	}
}
