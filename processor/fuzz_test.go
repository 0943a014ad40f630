package processor

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/tagproc/tagproc/contract"
)

// streamFile has the rules of FuzzStream.
var streamFile = fileModel{
	TagHeaders:  &ownedModel{Headers: []string{"lane", "retired"}, HeaderPrefixes: []string{"appver"}},
	Propagation: &ownedModel{Headers: []string{"lane"}, HeaderPrefixes: []string{"appver"}},
	Rules: []ruleModel{
		{Name: "lane", Header: "x-user-id", Modulo: 100, TagHeader: "lane", Hash: "fnv1a32", Mode: "enforce", Policies: []policyModel{{50, "s2"}}},
		{Name: "second", Header: "a", Modulo: 7, TagHeader: "lane", Hash: "xxh3", Mode: "enforce", Policies: []policyModel{{5, "s1"}}},
		{Name: "trial", Header: "a", Modulo: 100, TagHeader: "appver-a", Hash: "fnv1a32", Mode: "shadow", Policies: []policyModel{{100, "v1"}}},
		{Name: "killed", Header: "a", Modulo: 100, TagHeader: "appver-a", Hash: "fnv1a32", Mode: "off", Policies: []policyModel{{100, "v2"}}},
	},
}

// A streamModel is a Stream in the plainest words, read by the protobuf library.
type streamModel struct {
	full                                      bool // as many messages are pending as may be
	requestBodyStreamed, responseBodyStreamed bool
}

// An answer is what has to come of a message.
type answer struct {
	reply   *extprocv3.ProcessingResponse // nil: none, or decided
	decided bool                          // the rules say what the reply to headers is
	headers [][2]string
	plain   bool
	more    bool
}

// answer returns what has to come of msg.
func (m *streamModel) answer(msg []byte) answer {
	whole := dynamicpb.NewMessage(projected)
	malformed := proto.Unmarshal(msg, whole) != nil
	c, certain := outlineModel(msg)
	if !malformed {
		c = contentOfProto(whole)
	}
	unread := malformed || m.full && c.Phase == requestHeaders
	if unread && (!certain || c.Phase != requestHeaders) || c.Observability {
		return answer{}
	}
	m.requestBodyStreamed = m.requestBodyStreamed || c.RequestBodyMode == 4 || c.RequestBodyMode == 5
	m.responseBodyStreamed = m.responseBodyStreamed || c.ResponseBodyMode == 4 || c.ResponseBodyMode == 5
	chunk := &extprocv3.StreamedBodyResponse{
		Body: []byte(c.Body), EndOfStream: c.Flags[2], EndOfStreamWithoutMessage: c.Flags[3], GrpcMessageCompressed: c.Flags[4], DrainComplete: c.Flags[5],
	}
	a := answer{more: m.requestBodyStreamed || m.responseBodyStreamed}
	switch c.Phase {
	case noPhase:
		a.more = true
	case requestHeaders:
		if a.reply = noChange; !unread {
			a = answer{decided: true, headers: c.Headers, plain: c.UsesValue, more: a.more}
		}
	case responseHeaders:
		a.reply = noChangeInResponse
	case requestBody:
		if a.reply = noChangeInRequestBody; m.requestBodyStreamed {
			a.reply = handedBackRequest(chunk)
		}
	case responseBody:
		if a.reply = noChangeInResponseBody; m.responseBodyStreamed {
			a.reply = handedBackResponse(chunk)
		}
	case requestTrailers:
		a.reply = noChangeInRequestTrailers
	case responseTrailers:
		a.reply = noChangeInResponseTrailers
	}
	return a
}

// outlineModel returns the phase and the modes of msg, where what is malformed
// inside of its members does not matter. That is certain if msg itself is not.
func outlineModel(msg []byte) (c content, certain bool) {
	if proto.Unmarshal(msg, &emptypb.Empty{}) != nil {
		return c, false
	}
	each(msg, func(num protowire.Number, typ protowire.Type, value []byte) {
		switch {
		case typ == protowire.BytesType && 2 <= num && num <= 7:
			c.Phase = phase(num)
		case typ == protowire.VarintType && num == 10:
			n, _ := protowire.ConsumeVarint(value)
			c.Observability = n != 0
		case typ == protowire.BytesType && num == 11:
			config, _ := protowire.ConsumeBytes(value)
			each(config, func(num protowire.Number, typ protowire.Type, value []byte) {
				mode, _ := protowire.ConsumeVarint(value)
				switch {
				case typ == protowire.VarintType && num == 1:
					c.RequestBodyMode = bodyMode(mode)
				case typ == protowire.VarintType && num == 2:
					c.ResponseBodyMode = bodyMode(mode)
				}
			})
		}
	})
	return c, true
}

// each calls f for the fields of msg up to one that is malformed.
func each(msg []byte, f func(num protowire.Number, typ protowire.Type, value []byte)) {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeField(msg)
		if n < 0 || num > protowire.MaxValidNumber {
			return
		}
		_, _, tag := protowire.ConsumeTag(msg)
		f(num, typ, msg[tag:n])
		msg = msg[n:]
	}
}

// FuzzStream sends the messages in data, each behind its length, on one stream of a
// direction, and compares with the model.
func FuzzStream(f *testing.F) {
	src, err := json.Marshal(streamFile)
	if err != nil {
		f.Fatal(err)
	}
	table := load(f, string(src))
	addStreams(f)
	f.Fuzz(func(t *testing.T, full, metadata bool, direction byte, data []byte) {
		d := contract.Direction(direction) % directions
		p := New(Options{MaxPending: 1, Metadata: metadata})
		p.SetTable(table)
		m := &streamModel{full: full}
		if full {
			p.pending.Add(1)
		}
		stream, more := p.NewStreamOf(d), true
		for more && len(data) > 0 {
			msg, n := protowire.ConsumeBytes(data)
			if n < 0 {
				msg, n = data, len(data)
			}
			data = data[n:]
			var reply []byte
			reply, more = stream.Reply(nil, msg)
			want := m.answer(msg)
			if more != want.more {
				t.Fatalf("after %x more = %v, want %v", msg, more, want.more)
			}
			if !want.decided {
				checkReply(t, string(reply), want.reply)
				continue
			}
			v := streamFile.verdict(d, want.headers, want.plain, p.limits)
			if metadata {
				v.metadata = streamFile.metadata(d, want.headers, v.outcome, table.Digest())
			}
			checkApplied(t, want.headers, want.plain, p.limits, reply, v.applied)
		}
		if n := testutil.ToFloat64(p.metrics.panics); n != 0 {
			t.Errorf("%v messages panicked", n)
		}
	})
}

// addStreams adds each message that is hard to read, alone and on a stream that
// hands bodies back, and two whole streams.
func addStreams(f *testing.F) {
	f.Helper()
	const fullDuplex = filterv3.ProcessingMode_FULL_DUPLEX_STREAMED
	first := marshal(f, withModes(headersRequest(rawHeaders("x-user-id", "bob", "lane", "forged", "baggage", "a=1, Lane=s9")), fullDuplex, fullDuplex))
	add := func(messages ...[]byte) {
		var data []byte
		for _, m := range messages {
			data = protowire.AppendBytes(data, m)
		}
		f.Add(false, false, byte(contract.Gateway), data)
		f.Add(false, true, byte(contract.Gateway), data)
		f.Add(true, false, byte(contract.Gateway), data)
		for d := contract.Restore; d < directions; d++ {
			f.Add(false, true, byte(d), data)
		}
	}
	seeds := readSeeds(f)
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		add(seeds[name])
		add(first, seeds[name])
	}
	chunk := &extprocv3.HttpBody{Body: []byte("chunk"), EndOfStream: true}
	for _, begin := range [][]byte{first, slices.Concat([]byte{0x12, 0x01, 0x80}, first)} {
		add(begin, marshal(f, requestBodyRequest(chunk)), marshal(f, requestTrailersRequest()),
			marshal(f, responseHeadersRequest()), marshal(f, responseBodyRequest(chunk)), marshal(f, responseTrailersRequest()))
	}
}
