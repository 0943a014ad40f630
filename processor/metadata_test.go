package processor

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// everyReason has rules for each reason of a decision.
const everyReason = `
tagHeaders: {headers: [lane, a, b, c, d, retired]}
rules:
- {name: lane, header: x-user-id, tagHeader: lane, overrides: [{values: [jason], tagValue: s9}, {values: [bob], none: true}], policies: [{range: 20, tagValue: s2}, {range: 30, tagValue: s1}]}
- {name: second, header: x-user-id, tagHeader: lane, policies: [{range: 100, tagValue: s3}]}
- {name: "any[name]:of,a#rule", header: x-device, tagHeader: a, modulo: 1000000, policies: [{range: 1000000, tagValue: v1}]}
- {name: trial, header: x-user-id, tagHeader: b, mode: shadow, policies: [{range: 50, tagValue: v3}]}
- {name: killed, header: x-user-id, tagHeader: c, mode: off, policies: [{range: 100, tagValue: v4}]}
`

func TestMetadata(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	tests := []struct {
		name    string
		headers []string
		outcome string
		changed object // the rules that decide otherwise than for nobody
	}{
		{"nobody", []string{"accept", "*/*"}, "unchanged", nil},
		{"nobody, forged", []string{"retired", "1"}, "cleaned", nil},
		{"policies", []string{"x-user-id", "jessie"}, "tagged", object{
			"lane": object{"reason": "policy", "bucket": 16., "tag": "s2"}, "second": object{"reason": "superseded"},
			"trial": object{"reason": "policy", "mode": "shadow", "bucket": 16., "tag": "v3"},
		}},
		{"no policy", []string{"x-user-id", "vance"}, "unchanged", object{
			"lane": object{"reason": "no_policy", "bucket": 54.}, "second": object{"reason": "superseded"},
			"trial": object{"reason": "no_policy", "mode": "shadow", "bucket": 54.},
		}},
		{"override", []string{"x-user-id", "jason"}, "tagged", object{
			"lane": object{"reason": "override", "tag": "s9"}, "second": object{"reason": "superseded"},
			"trial": object{"reason": "no_policy", "mode": "shadow", "bucket": 76.},
		}},
		{"override without a tag", []string{"x-user-id", "bob"}, "unchanged", object{
			"lane": object{"reason": "override"}, "second": object{"reason": "superseded"},
			"trial": object{"reason": "policy", "mode": "shadow", "bucket": 44., "tag": "v3"},
		}},
		{"another key", []string{"x-device", "jack", "lane", "forged"}, "tagged", object{
			"any[name]:of,a#rule": object{"reason": "policy", "bucket": 243802., "tag": "v1"}, // of 777243802
		}},
		{"over the limits", []string{"x-user-id", "jessie", "a1", "", "a2", "", "a3", ""}, "over_limits", object{
			"lane": object{"reason": "policy", "bucket": 16., "tag": "s2"}, "second": object{"reason": "superseded"},
			"trial": object{"reason": "policy", "mode": "shadow", "bucket": 16., "tag": "v3"},
		}},
	}
	p := New(Options{Metadata: true, Limits: Limits{MaxHeaders: 4}})
	p.SetTable(load(t, everyReason))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all := object{
				"lane": object{"reason": "no_key"}, "second": object{"reason": "no_key"}, "any[name]:of,a#rule": object{"reason": "no_key"},
				"trial": object{"reason": "no_key", "mode": "shadow"}, "killed": object{"reason": "off"},
			}
			maps.Copy(all, tt.changed)
			want := object{"tagproc": object{"outcome": tt.outcome, "rulesDigest": p.plan.Load().table.Digest(), "rules": all}}
			for _, streamed := range []filterv3.ProcessingMode_BodySendMode{filterv3.ProcessingMode_NONE, filterv3.ProcessingMode_FULL_DUPLEX_STREAMED} {
				reply, _ := p.NewStream().Reply(nil, marshal(t, withModes(headersRequest(rawHeaders(tt.headers...)), streamed, 0)))
				if diff := cmp.Diff(want, metadataOf(t, reply)); diff != "" {
					t.Errorf("the metadata is wrong (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// metadataOf returns the dynamic metadata of a reply, nil where it has none.
func metadataOf(t *testing.T, reply []byte) map[string]any {
	t.Helper()
	var m extprocv3.ProcessingResponse
	if err := proto.Unmarshal(reply, &m); err != nil {
		t.Fatalf("the reply %x: %v", reply, err)
	}
	if m.GetDynamicMetadata() == nil {
		return nil
	}
	return m.GetDynamicMetadata().AsMap()
}

// TestMetadataOfLargeFiles has lengths of one, two and three bytes.
func TestMetadataOfLargeFiles(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 50, 400} {
		src := manyRules(n)
		if n == 0 {
			src = "rules: []"
		}
		p := New(Options{Metadata: true})
		p.SetTable(load(t, src))
		reply, _ := p.NewStream().Reply(nil, marshal(t, headersRequest(rawHeaders("x-user-id", "jessie"))))
		got, _ := metadataOf(t, reply)["tagproc"].(map[string]any)["rules"].(map[string]any)
		if len(got) != n {
			t.Errorf("the metadata of %d rules has %d", n, len(got))
		}
	}
}

// TestMetadataOnlyOfDecisions checks that what no table decided on has none.
func TestMetadataOnlyOfDecisions(t *testing.T) {
	t.Parallel()
	user := marshal(t, headersRequest(rawHeaders("x-user-id", "jessie")))
	with := func(o Options, src string) *Processor {
		p := New(o)
		if src != "" {
			p.SetTable(load(t, src))
		}
		return p
	}
	panics := with(Options{Metadata: true}, walkthrough)
	panics.plan.Load().scratch.New = func() any { return &scratch{} }
	sheds := with(Options{Metadata: true, MaxPending: 1}, walkthrough)
	sheds.pending.Add(1)
	tests := []struct {
		name string
		p    *Processor
		msg  []byte
	}{
		{"not asked for", with(Options{}, walkthrough), user},
		{"no rules", with(Options{Metadata: true}, ""), user},
		{"malformed", with(Options{Metadata: true}, walkthrough), []byte{0x12, 0x01, 0x80}},
		{"another phase", with(Options{Metadata: true}, walkthrough), marshal(t, responseHeadersRequest())},
		{"panic", panics, user},
		{"shed", sheds, user},
	}
	for _, tt := range tests {
		reply, _ := tt.p.NewStream().Reply(nil, tt.msg)
		if got := metadataOf(t, reply); len(reply) == 0 || got != nil {
			t.Errorf("%s: the reply %x has the metadata %v", tt.name, reply, got)
		}
	}
}
