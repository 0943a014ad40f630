package processor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/proto"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/tagproc/tagproc/contract"
)

// travelling is walkthrough with the tags for applications travelling.
const travelling = "propagation: {headerPrefixes: [appver]}" + walkthrough

// others returns the baggage of n members.
func others(n int) string { return strings.TrimSuffix(strings.Repeat("a=1,", n), ",") }

func TestBaggage(t *testing.T) {
	t.Parallel()
	const trusting = "trustClientTags: true\n" + travelling
	many := func(n int) (flat []string) {
		for i := range n {
			flat = append(flat, fmt.Sprintf("h%d", i), "")
		}
		return flat
	}
	for _, tt := range []struct {
		name          string
		rules         string // travelling if empty
		limits        Limits
		headers       []string
		want          []string // the request afterwards; nil: unchanged
		sets, removes int
		outcome       outcome
		headersOnly   bool
	}{
		{
			name:    "no baggage",
			headers: []string{"x-user-id", "jessie"},
			want:    []string{"x-user-id", "jessie", "x-asm-prefer-tag", "s2", "appver-a", "v2", "baggage", "appver-a=v2"},
			sets:    3, outcome: tagged,
		},
		{
			name:    "other members stay behind",
			headers: []string{"baggage", "b=1 , c = 2", "x-user-id", "bob", "baggage", "d"},
			want:    []string{"x-user-id", "bob", "appver-a", "v1", "baggage", "appver-a=v1,b=1 , c = 2,d"},
			sets:    2, outcome: tagged,
		},
		{
			name:    "no rule sets a tag",
			headers: []string{"x-user-id", "vance", "baggage", "b=1, AppVer-A=v2,appver-zz=1,c=2"},
			want:    []string{"x-user-id", "vance", "baggage", "b=1,c=2"},
			sets:    1, outcome: cleaned,
		},
		{
			name:    "no key, and forged members alone",
			headers: []string{"baggage", "appver-a=v2", "baggage", "appver-b=v2"},
			want:    []string{},
			removes: 1, outcome: cleaned,
		},
		{
			name:    "forged members of the draft's header",
			headers: []string{"x-user-id", "bob", "correlation-context", "a=1,appver-a=v9,c=2", "correlation-context", "b=1=APPVER-b=v2"},
			want:    []string{"x-user-id", "bob", "appver-a", "v1", "baggage", "appver-a=v1", "correlation-context", "a=1,c=2"},
			sets:    3, outcome: tagged,
		},
		{
			name:    "forged members of the draft's header alone",
			headers: []string{"x-user-id", "vance", "correlation-context", "appver-a=v9"},
			want:    []string{"x-user-id", "vance"},
			removes: 1, outcome: cleaned,
		},
		{
			name:    "the draft's header, as it may be",
			headers: []string{"x-user-id", "vance", "correlation-context", "a=1", "correlation-context", "b=appver"},
			outcome: unchanged,
		},
		{
			name:    "the draft's header where clients are trusted",
			rules:   trusting,
			headers: []string{"x-user-id", "vance", "correlation-context", "appver-a=v9"},
			outcome: unchanged,
		},
		{
			name:    "nothing to do",
			headers: []string{"x-user-id", "vance", "baggage", "b=1", "baggage", "b=2"},
			outcome: unchanged,
		},
		{
			name:    "all is there already",
			headers: []string{"x-user-id", "bob", "appver-a", "v1", "baggage", "appver-a=v1,b=1"},
			outcome: unchanged,
		},
		{
			name:    "the header is there already",
			headers: []string{"x-user-id", "bob", "appver-a", "v1"},
			want:    []string{"x-user-id", "bob", "appver-a", "v1", "baggage", "appver-a=v1"},
			sets:    1, outcome: tagged,
		},
		{
			name:    "in the order of the tag headers",
			rules:   "propagation: {headers: [c, a, b]}\nrules:\n" + setting("b", "x-account") + setting("a", "x-user-id") + setting("c", "x-user-id") + setting("b", "x-user-id"),
			headers: []string{"x-user-id", "bob"},
			want:    []string{"x-user-id", "bob", "b", "v", "a", "v", "c", "v", "baggage", "b=v,a=v,c=v"},
			sets:    4, outcome: tagged,
		},
		{
			name:    "too many members",
			headers: []string{"x-user-id", "bob", "baggage", others(64)},
			want:    []string{"x-user-id", "bob", "baggage", others(64), "appver-a", "v1"},
			sets:    1, outcome: tagged, headersOnly: true,
		},
		{
			name:    "too many members, and a forged one goes",
			headers: []string{"x-user-id", "bob", "baggage", "appver-a=v9," + others(64)},
			want:    []string{"x-user-id", "bob", "baggage", others(64), "appver-a", "v1"},
			sets:    2, outcome: tagged, headersOnly: true,
		},
		{
			name:    "too many members, and no tag for them",
			headers: []string{"x-user-id", "vance", "baggage", others(100)},
			outcome: unchanged,
		},
		{
			name:    "too many bytes, and the header is there already",
			headers: []string{"x-user-id", "bob", "appver-a", "v1", "baggage", strings.Repeat("a", 8192)},
			outcome: unchanged, headersOnly: true,
		},
		{
			name:    "no room for one header more in Envoy",
			limits:  Limits{MaxHeaders: 12},
			headers: append(many(10), "x-user-id", "bob"),
			want:    append(many(10), "x-user-id", "bob", "appver-a", "v1"),
			sets:    1, outcome: tagged, headersOnly: true,
		},
		{
			name:    "no room for the tag either",
			limits:  Limits{MaxHeaders: 12},
			headers: append(many(10), "x-user-id", "bob", "baggage", "b=1,appver-a=v9"),
			want:    append(many(10), "x-user-id", "bob", "baggage", "b=1"),
			sets:    1, outcome: overLimits,
		},
		{
			name:    "no room in bytes",
			limits:  Limits{MaxHeaderBytes: 40},
			headers: []string{"x-user-id", "bob", "baggage", "b=1,b=2"}, // 26, and 10 for the tag, and 12 for the member
			want:    []string{"x-user-id", "bob", "baggage", "b=1,b=2", "appver-a", "v1"},
			sets:    1, outcome: tagged, headersOnly: true,
		},
		{
			name:    "the header is there already in a request that is over the limits",
			limits:  Limits{MaxHeaders: 2},
			headers: []string{"x-user-id", "bob", "appver-a", "v1", "accept", "*/*"},
			outcome: unchanged, headersOnly: true,
		},
		{
			name:    "already there in a request that is over the limits",
			limits:  Limits{MaxHeaders: 2},
			headers: []string{"x-user-id", "bob", "appver-a", "v1", "baggage", "appver-a=v1"},
			outcome: unchanged,
		},
		{
			name:    "trusted members stay but where a tag replaces them",
			rules:   trusting,
			headers: []string{"x-user-id", "bob", "baggage", "appver-b=v9,APPVER-a=v9,b=1"},
			want:    []string{"x-user-id", "bob", "appver-a", "v1", "baggage", "appver-a=v1,appver-b=v9,b=1"},
			sets:    2, outcome: tagged,
		},
		{
			name:    "trusted members stay with a tag that does not fit",
			rules:   trusting,
			limits:  Limits{MaxHeaders: 2},
			headers: []string{"x-user-id", "bob", "baggage", "appver-a=v9,b=1"},
			outcome: overLimits,
		},
		{
			name:    "without propagation baggage is nobody's",
			rules:   walkthrough,
			headers: []string{"x-user-id", "vance", "baggage", "appver-a=v9"},
			outcome: unchanged,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := tt.rules
			if src == "" {
				src = travelling
			}
			limits := tt.limits.withDefaults()
			p := New(Options{Limits: tt.limits})
			p.SetTable(load(t, src))
			headers := pairs(tt.headers)
			want := applied{headers: headers, sets: tt.sets, removes: tt.removes}
			if tt.want != nil {
				want.headers = pairs(tt.want)
			}
			for i, plain := range []bool{false, true} {
				reply, _ := p.NewStream().Reply(nil, encodeHeaders(headers, plain))
				checkApplied(t, headers, plain, limits, reply, want)
				if got := float64(p.metrics.messages[contract.Gateway][tt.outcome].Load()); got != float64(i+1) {
					t.Errorf("the outcome is not %s", outcomeNames[tt.outcome])
				}
				if got := testutil.ToFloat64(p.metrics.baggageOverLimits); (got == float64(i+1)) != tt.headersOnly || (got == 0) == tt.headersOnly {
					t.Errorf("tagproc_baggage_over_limits_total = %v after %d requests, each counted: %v", got, i+1, tt.headersOnly)
				}
			}
		})
	}
}

// setting returns a rule that sets header to v for everybody with key.
func setting(header, key string) string {
	return fmt.Sprintf("- {header: %s, tagHeader: %s, policies: [{range: 100, tagValue: v}]}\n", key, header)
}

// TestAppendSet checks that what is written by hand is what protobuf writes.
func TestAppendSet(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 100, 127, 128, 16_000, 20_000} {
		value := strings.Repeat("v", n)
		for plain, header := range map[bool]*corev3.HeaderValue{false: {Key: "baggage", RawValue: []byte(value)}, true: {Key: "baggage", Value: value}} {
			want, got := &extprocv3.HeaderMutation{}, &extprocv3.HeaderMutation{}
			entry := appendSet(nil, []byte("baggage"), []byte(value), plain)
			if err := proto.Unmarshal(entry, got); err != nil {
				t.Fatal(err)
			}
			if err := proto.Unmarshal(encodeSet(header), want); err != nil || !proto.Equal(got, want) || len(entry) != proto.Size(want) {
				t.Errorf("a value of %d bytes, plain: %v, is written as %.200v, want %.200v", n, plain, got, want)
			}
		}
	}
}
