package processor

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// walkthrough has rules in the manner of the second walk-through: jessie is in
// bucket 16, bob in 44.
const walkthrough = `
tagHeaders: {headers: [x-asm-prefer-tag, retired], headerPrefixes: [appver]}
rules:
- {name: lane, header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 20, tagValue: s2}]}
- {name: a, header: x-user-id, tagHeader: appver-a, policies: [{range: 20, tagValue: v2}, {range: 50, tagValue: v1}]}
- {name: trial, header: x-user-id, tagHeader: appver-b, mode: shadow, policies: [{range: 100, tagValue: v3}]}
- {name: killed, header: x-user-id, tagHeader: appver-c, mode: off, policies: [{range: 100, tagValue: v4}]}
`

func TestReply(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		rules         string // walkthrough if empty
		headers       []string
		want          []string // the request afterwards; nil: unchanged
		sets, removes int
	}{
		{
			name:    "two tags",
			headers: []string{":path", "/", "x-user-id", "jessie"},
			want:    []string{":path", "/", "x-user-id", "jessie", "x-asm-prefer-tag", "s2", "appver-a", "v2"},
			sets:    2,
		},
		{
			name:    "one tag",
			headers: []string{"x-user-id", "bob"},
			want:    []string{"x-user-id", "bob", "appver-a", "v1"},
			sets:    1,
		},
		{
			name:    "forged tags are set or removed",
			headers: []string{"x-user-id", "bob", "x-asm-prefer-tag", "s2", "appver-a", "v2"},
			want:    []string{"x-user-id", "bob", "appver-a", "v1"},
			sets:    1, removes: 1,
		},
		{
			name:    "forged twice, removed once",
			headers: []string{"x-user-id", "bob", "x-asm-prefer-tag", "s2", "x-asm-prefer-tag", "s3"},
			want:    []string{"x-user-id", "bob", "appver-a", "v1"},
			sets:    1, removes: 1,
		},
		{
			name:    "forged in another spelling",
			headers: []string{"x-user-id", "bob", "x_asm_prefer_tag", "s2", "x.asm-prefer~tag", "s2", "appver_a", "v2", "appver_a", "v3", "xxasm-prefer-tag", "s2", "x_user_id", "eve", "x_asm_prefer_tags", ""},
			want:    []string{"x-user-id", "bob", "xxasm-prefer-tag", "s2", "x_user_id", "eve", "x_asm_prefer_tags", "", "appver-a", "v1"},
			sets:    1, removes: 3,
		},
		{
			name:    "another spelling where clients are trusted",
			rules:   "trustClientTags: true" + walkthrough,
			headers: []string{"x-user-id", "bob", "x_asm_prefer_tag", "s2"},
			want:    []string{"x-user-id", "bob", "x_asm_prefer_tag", "s2", "appver-a", "v1"},
			sets:    1,
		},
		{
			name:    "forged for shadow, off and no rule",
			headers: []string{"appver-b", "v3", "appver-c", "v4", "appver-zz", "1", "appver-zz", "2", "retired", "", "x-user-id", "vance"},
			want:    []string{"x-user-id", "vance"},
			removes: 4,
		},
		{
			name:    "forged without a key",
			headers: []string{"x-asm-prefer-tag", "s2", "accept", "*/*"},
			want:    []string{"accept", "*/*"},
			removes: 1,
		},
		{
			name:    "nothing to do",
			headers: []string{"x-user-id", "vance", "accept", "*/*"},
		},
		{
			name:    "a tag that is there already",
			headers: []string{"x-user-id", "bob", "appver-a", "v1"},
		},
		{
			name:    "a tag that is there twice",
			headers: []string{"x-user-id", "bob", "appver-a", "v1", "appver-a", "v1"},
			want:    []string{"x-user-id", "bob", "appver-a", "v1"},
			sets:    1,
		},
		{
			name:    "a tag that is there and empty",
			headers: []string{"x-user-id", "bob", "appver-a", ""},
			want:    []string{"x-user-id", "bob", "appver-a", "v1"},
			sets:    1,
		},
		{
			name:    "the first of two keys counts",
			headers: []string{"x-user-id", "bob", "x-user-id", "jessie"},
			want:    []string{"x-user-id", "bob", "x-user-id", "jessie", "appver-a", "v1"},
			sets:    1,
		},
		{
			name:    "the first of two keys counts, though it is empty",
			headers: []string{"x-user-id", "", "x-user-id", "jessie"},
		},
		{
			name:    "a key that is not UTF-8",
			rules:   "rules: [{header: x-user-id, tagHeader: lane, policies: [{range: 100, tagValue: s1}]}]",
			headers: []string{"x-user-id", "\xff\xfe\x80"},
			want:    []string{"x-user-id", "\xff\xfe\x80", "lane", "s1"},
			sets:    1,
		},
		{
			name:    "names are compared in full",
			headers: []string{"x-user-i", "jessie", "x-user-idd", "jessie", "x-user-ie", "jessie", "X-User-Id", "jessie", "appve", "1", "", "jessie"},
		},
		{
			name:    "a name that Envoy would not remove stays",
			headers: []string{"appver\xff", "1", "appver ", "1", "appver-A", "1", "appver:", "1"},
		},
		{
			name:    "trusted tags stay, and are set",
			rules:   "trustClientTags: true" + walkthrough,
			headers: []string{"x-asm-prefer-tag", "s9", "appver-a", "v9", "appver-zz", "v9", "x-user-id", "bob"},
			want:    []string{"x-asm-prefer-tag", "s9", "appver-a", "v1", "appver-zz", "v9", "x-user-id", "bob"},
			sets:    1,
		},
		{
			name:    "without rules forged tags are removed",
			rules:   "{tagHeaders: {headers: [lane]}, rules: []}",
			headers: []string{"lane", "s2", "x-user-id", "bob"},
			want:    []string{"x-user-id", "bob"},
			removes: 1,
		},
		{
			name:    "a prefix that is a whole name",
			headers: []string{"appver", "1"},
			want:    []string{},
			removes: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := tt.rules
			if src == "" {
				src = walkthrough
			}
			p := New(Options{})
			p.SetTable(load(t, src))
			headers := pairs(tt.headers)
			want := applied{headers: headers, sets: tt.sets, removes: tt.removes}
			if tt.want != nil {
				want.headers = pairs(tt.want)
			}
			for _, plain := range []bool{false, true} {
				reply, more := p.NewStream().Reply([]byte("before"), encodeHeaders(headers, plain))
				if more || string(reply[:6]) != "before" {
					t.Fatalf("Reply = %q, %v, want the reply appended and the stream ended", reply, more)
				}
				checkApplied(t, headers, plain, Limits{}.withDefaults(), reply[6:], want)
			}
		})
	}
}

// checkApplied compares what Envoy makes of reply with want, in which the order
// of the headers does not matter.
func checkApplied(t *testing.T, headers [][2]string, plain bool, limits Limits, reply []byte, want applied) {
	t.Helper()
	got, err := envoyApply(headers, plain, limits, reply)
	if err != nil {
		t.Fatalf("the reply %x to %q: %v", reply, headers, err)
	}
	for _, a := range []*applied{&got, &want} {
		a.headers = slices.Clone(a.headers)
		slices.SortFunc(a.headers, func(x, y [2]string) int { return slices.Compare(x[:], y[:]) })
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(applied{})); diff != "" {
		t.Errorf("the reply to %q is wrong (-want +got):\n%s", headers, diff)
	}
}

func pairs(flat []string) [][2]string {
	list := [][2]string{}
	for i := 0; i < len(flat); i += 2 {
		list = append(list, [2]string{flat[i], flat[i+1]})
	}
	return list
}

// TestReplyValueForm checks that a reply uses the field that the request uses.
func TestReplyValueForm(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, walkthrough))
	tests := []struct {
		name  string
		msg   []byte
		plain bool
	}{
		{"raw_value", encodeHeaders(pairs([]string{"x-user-id", "bob"}), false), false},
		{"value", encodeHeaders(pairs([]string{"x-user-id", "bob"}), true), true},
		{"both, by header", marshal(t, headersRequest(mixed(plainHeaders("x-user-id", "bob"), rawHeaders("accept", "*/*")))), false},
		{"value, with an empty raw_value", marshal(t, headersRequest(mixed(plainHeaders("x-user-id", "bob"), rawHeaders("accept", "")))), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reply, _ := p.NewStream().Reply(nil, tt.msg)
			if _, err := envoyApply(nil, tt.plain, p.limits, reply); err != nil {
				t.Errorf("the reply %x is not in the form of the request (plain: %v): %v", reply, tt.plain, err)
			}
			if _, err := envoyApply(nil, !tt.plain, p.limits, reply); err == nil {
				t.Errorf("the oracle takes the reply %x for both forms", reply)
			}
		})
	}
}

// TestReplyLimits checks that no result exceeds the limits of Envoy.
func TestReplyLimits(t *testing.T) {
	t.Parallel()
	// many returns n headers of 20 bytes each, whose names begin with prefix.
	many := func(n int, prefix string) (flat []string) {
		for i := range n {
			flat = append(flat, fmt.Sprintf("%s%0*d", prefix, 19-len(prefix), i), "v")
		}
		return flat
	}
	jessie := []string{"x-user-id", "jessie"}
	tagged := []string{"x-asm-prefer-tag", "s2", "appver-a", "v2"} // 28 bytes
	forged := []string{"x-asm-prefer-tag", "s9"}
	tests := []struct {
		name          string
		limits        Limits
		headers       []string
		want          []string
		sets, removes int
	}{
		{
			name:    "the tags just fit",
			headers: append(many(97, "h"), jessie...),
			want:    slices.Concat(many(97, "h"), jessie, tagged),
			sets:    2,
		},
		{
			name:    "one header too many",
			headers: append(many(98, "h"), jessie...),
			want:    append(many(98, "h"), jessie...),
		},
		{
			name:    "one header too many, but a forged tag is replaced",
			headers: slices.Concat(many(97, "h"), jessie, forged),
			want:    slices.Concat(many(97, "h"), jessie, tagged),
			sets:    2,
		},
		{
			name:    "one header too many, and a forged tag is removed",
			headers: slices.Concat(many(98, "h"), jessie, forged),
			want:    append(many(98, "h"), jessie...),
			removes: 1,
		},
		{
			name:    "too many headers to begin with",
			headers: slices.Concat(many(100, "h"), jessie, forged),
			want:    slices.Concat(many(100, "h"), jessie, forged),
		},
		{
			name:    "too many headers, but enough are removed",
			headers: slices.Concat(many(97, "h"), many(20, "appver-x"), jessie),
			want:    slices.Concat(many(97, "h"), jessie, tagged),
			sets:    2, removes: 20,
		},
		{
			name:    "more to remove than Envoy removes",
			headers: slices.Concat(many(150, "appver-x"), jessie, forged),
			want:    slices.Concat(many(150, "appver-x")[2*99:], jessie),
			removes: 100,
		},
		{
			name:    "as much to remove as there is room for beside the tags",
			limits:  Limits{MaxHeaders: 10},
			headers: slices.Concat(many(8, "appver-x"), jessie),
			want:    slices.Concat(jessie, tagged),
			sets:    2, removes: 8,
		},
		{
			name:    "one more, and no tag is set",
			limits:  Limits{MaxHeaders: 10},
			headers: slices.Concat(many(9, "appver-x"), jessie),
			want:    jessie,
			removes: 9,
		},
		{
			name:    "raised limits",
			limits:  Limits{MaxHeaders: 200},
			headers: append(many(150, "h"), jessie...),
			want:    slices.Concat(many(150, "h"), jessie, tagged),
			sets:    2,
		},
		{
			name:    "the bytes just fit",
			limits:  Limits{MaxHeaderBytes: 200 + 15 + 28},
			headers: append(many(10, "h"), jessie...),
			want:    slices.Concat(many(10, "h"), jessie, tagged),
			sets:    2,
		},
		{
			name:    "one byte too many",
			limits:  Limits{MaxHeaderBytes: 200 + 15 + 27},
			headers: append(many(10, "h"), jessie...),
			want:    append(many(10, "h"), jessie...),
		},
		{
			name:    "one byte too many, and a forged tag is removed",
			limits:  Limits{MaxHeaderBytes: 200 + 15 + 27},
			headers: slices.Concat(many(10, "h"), jessie, forged),
			want:    append(many(10, "h"), jessie...),
			removes: 1,
		},
		{
			name:    "a tag that is right stays where others do not fit",
			limits:  Limits{MaxHeaderBytes: 200 + 15 + 27},
			headers: slices.Concat(many(10, "h"), jessie, tagged[:2], []string{"retired", strings.Repeat("x", 100)}),
			want:    slices.Concat(many(10, "h"), jessie, tagged[:2]),
			removes: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			limits := tt.limits.withDefaults()
			p := New(Options{Limits: tt.limits})
			p.SetTable(load(t, walkthrough))
			headers := pairs(tt.headers)
			reply, _ := p.NewStream().Reply(nil, encodeHeaders(headers, false))
			checkApplied(t, headers, false, limits, reply, applied{headers: pairs(tt.want), sets: tt.sets, removes: tt.removes})
		})
	}
}

// TestAppendEmpty checks that each is of its kind and says nothing else.
func TestAppendEmpty(t *testing.T) {
	t.Parallel()
	wants := map[phase]*extprocv3.ProcessingResponse{
		requestHeaders: noChange, responseHeaders: noChangeInResponse,
		requestBody: noChangeInRequestBody, responseBody: noChangeInResponseBody,
		requestTrailers: noChangeInRequestTrailers, responseTrailers: noChangeInResponseTrailers,
	}
	for p, want := range wants {
		var got extprocv3.ProcessingResponse
		if err := proto.Unmarshal(appendEmpty(nil, p), &got); err != nil || !proto.Equal(&got, want) {
			t.Errorf("appendEmpty(nil, %d) = %v, %v, want %v", p, &got, err, want)
		}
	}
}
