package explain

import (
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
)

const travelling = `
tagHeaders: {headerPrefixes: [appver]}
propagation: {headerPrefixes: [appver-]}
rules:
- {header: x-account, tagHeader: appver-b, policies: [{range: 100, tagValue: v3}]}
- {header: x-user-id, tagHeader: appver-a, policies: [{range: 20, tagValue: "v,2"}]}
- {header: x-user-id, tagHeader: appver-b, policies: [{range: 100, tagValue: v1}]}
- {header: x-user-id, tagHeader: appver, policies: [{range: 100, tagValue: v1}]}
`

// TestBaggage checks that baggage becomes what is told, and that this is what the
// processor makes of it.
func TestBaggage(t *testing.T) {
	const both = "appver-b=v1,appver-a=v%2C2"
	many := strings.TrimSuffix(strings.Repeat("a=1,", 64), ",")
	jack := Header{"x-user-id", "jack"}
	for _, tt := range []struct {
		name    string
		rules   string // before travelling
		headers []Header
		want    string
		over    bool
	}{
		{"no header", "", []Header{jack}, both, false},
		{"others and forged ones", "", []Header{{"Baggage", "b=2, AppVer-C=v9"}, jack, {"baggage", "c=3"}}, both + ",b=2,c=3", false},
		{"no tag", "", []Header{{"baggage", "b=2, AppVer-C=v9"}}, "b=2", false},
		{"nothing but forged ones", "", []Header{{"baggage", "appver-a=v9"}}, "", false},
		{"nothing to do", "", []Header{{"baggage", "b=2 "}, {"baggage", "c=3"}}, "b=2 ,c=3", false},
		{"too many", "", []Header{jack, {"baggage", many}}, many, true},
		{"too many, and a forged one", "", []Header{jack, {"baggage", many + ",appver-a"}}, many, true},
		{"too many, and no tag", "", []Header{{"baggage", many + ",b"}}, many + ",b", false},
		{"trusted", "trustClientTags: true", []Header{{"baggage", "appver-c=v9,appver-b=v9"}, jack}, both + ",appver-c=v9", false},
	} {
		table := load(t, tt.rules+travelling)
		got := Request(table, tt.headers).Baggage
		if got.Value != tt.want || got.OverLimits != tt.over {
			t.Errorf("%s: the baggage becomes %v, want %q, over its limits: %v", tt.name, got, tt.want, tt.over)
		}
		if served := served(t, table, tt.headers); served != tt.want {
			t.Errorf("%s: the processor makes it %q, want %q", tt.name, served, tt.want)
		}
	}
	if b := Request(load(t, several), []Header{{"baggage", "a=1"}}).Baggage; b != nil {
		t.Errorf("without propagation the baggage becomes %v, want nothing said", b)
	}
}

// served returns the baggage, headers joined, that the processor leaves.
func served(t *testing.T, table *rules.Table, headers []Header) string {
	t.Helper()
	m := &corev3.HeaderMap{}
	var baggage []string
	for _, h := range headers {
		m.Headers = append(m.Headers, &corev3.HeaderValue{Key: strings.ToLower(h.Name), RawValue: []byte(h.Value)})
		if strings.EqualFold(h.Name, "baggage") {
			baggage = append(baggage, h.Value)
		}
	}
	msg, err := proto.Marshal(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{Headers: m}}})
	if err != nil {
		t.Fatal(err)
	}
	p := processor.New(processor.Options{})
	p.SetTable(table)
	reply, _ := p.NewStream().Reply(nil, msg)
	var r extprocv3.ProcessingResponse
	if err := proto.Unmarshal(reply, &r); err != nil {
		t.Fatal(err)
	}
	mutation := r.GetRequestHeaders().GetResponse().GetHeaderMutation()
	if slices.Contains(mutation.GetRemoveHeaders(), "baggage") {
		return ""
	}
	for _, set := range mutation.GetSetHeaders() {
		if set.GetHeader().GetKey() == "baggage" {
			return string(set.GetHeader().GetRawValue())
		}
	}
	return strings.Join(baggage, ",")
}
