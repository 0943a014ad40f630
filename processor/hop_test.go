package processor

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	grpcmetadata "google.golang.org/grpc/metadata"

	"github.com/tagproc/tagproc/contract"
)

// TestHop checks what the cases do not: the directions beside each other, named
// users, rules, and the limits.
func TestHop(t *testing.T) {
	t.Parallel()
	const named = `
tagHeaders: {headerPrefixes: [appver]}
propagation: {headerPrefixes: [appver]}
rules:
- {header: x-user-id, tagHeader: appver-a, overrides: [{values: [jason], tagValue: v9}, {values: [bob], none: true}], policies: [{range: 100, tagValue: v1}]}
- {header: x-user-id, tagHeader: appver-b, policies: [{range: 20, tagValue: v2}]}
- {header: x-user-id, tagHeader: appver-c, mode: shadow, policies: [{range: 100, tagValue: v3}]}
`
	for _, tt := range []struct {
		name      string
		direction contract.Direction
		rules     string // named if empty
		limits    Limits
		headers   []string
		want      []string // the request afterwards; nil: unchanged
		sets      int
		outcome   outcome
	}{
		{
			name: "restore asks no rule", direction: contract.Restore,
			headers: []string{"x-user-id", "jason"},
			outcome: unchanged,
		},
		{
			name: "restore removes nothing", direction: contract.Restore,
			headers: []string{"appver-b", "v9", "appver-zz", "1", "baggage", "appver-a=v2"},
			want:    []string{"appver-b", "v9", "appver-zz", "1", "baggage", "appver-a=v2", "appver-a", "v2"},
			sets:    1, outcome: tagged,
		},
		{
			name: "restore finds what is so already", direction: contract.Restore,
			headers: []string{"appver-a", "v2", "baggage", "appver-a=v2"},
			outcome: unchanged,
		},
		{
			name: "restore makes one of two equal headers", direction: contract.Restore,
			headers: []string{"appver-a", "v2", "baggage", "appver-a=v2", "appver-a", "v2"},
			want:    []string{"baggage", "appver-a=v2", "appver-a", "v2"},
			sets:    1, outcome: tagged,
		},
		{
			name: "restore without propagation", direction: contract.Restore, rules: walkthrough,
			headers: []string{"x-user-id", "jessie", "baggage", "appver-a=v2"},
			outcome: unchanged,
		},
		{
			name: "restore at the limit", direction: contract.Restore, limits: Limits{MaxHeaders: 3},
			headers: []string{"x", "y", "baggage", "appver-a=v2"},
			want:    []string{"x", "y", "baggage", "appver-a=v2", "appver-a", "v2"},
			sets:    1, outcome: tagged,
		},
		{
			name: "restore over the limit", direction: contract.Restore, limits: Limits{MaxHeaders: 2},
			headers: []string{"x", "y", "baggage", "appver-a=v2"},
			outcome: overLimits,
		},
		{
			name: "restore over the limit in bytes", direction: contract.Restore, limits: Limits{MaxHeaderBytes: 27}, // 18, and 10
			headers: []string{"baggage", "appver-a=v2"},
			outcome: overLimits,
		},
		{
			name: "a named user", direction: contract.Recompute,
			headers: []string{"x-user-id", "jason"},
			want:    []string{"x-user-id", "jason", "appver-a", "v9"},
			sets:    1, outcome: tagged,
		},
		{
			name: "a named user who gets none", direction: contract.Recompute,
			headers: []string{"x-user-id", "bob"},
			outcome: unchanged,
		},
		{
			name: "a bucket", direction: contract.Recompute,
			headers: []string{"x-user-id", "jessie"},
			want:    []string{"x-user-id", "jessie", "appver-a", "v1", "appver-b", "v2"},
			sets:    2, outcome: tagged,
		},
		{
			name: "baggage wins, then headers, then rules", direction: contract.Recompute,
			headers: []string{"x-user-id", "jessie", "appver-a", "app", "appver-b", "", "appver-zz", "1", "baggage", "appver-a=bag"},
			want:    []string{"x-user-id", "jessie", "appver-a", "bag", "appver-b", "", "appver-zz", "1", "baggage", "appver-a=bag"},
			sets:    1, outcome: tagged,
		},
		{
			name: "baggage wins where there is no header", direction: contract.Recompute,
			headers: []string{"x-user-id", "jason", "baggage", "appver-a=bag"},
			want:    []string{"x-user-id", "jason", "baggage", "appver-a=bag", "appver-a", "bag"},
			sets:    1, outcome: tagged,
		},
		{
			name: "baggage that says nothing does not win", direction: contract.Recompute,
			headers: []string{"x-user-id", "jason", "baggage", "appver-a=%00"},
			want:    []string{"x-user-id", "jason", "baggage", "appver-a=%00", "appver-a", "v9"},
			sets:    1, outcome: tagged,
		},
		{
			name: "baggage says what the rules say, and it is there", direction: contract.Recompute,
			headers: []string{"x-user-id", "jason", "appver-a", "v9", "baggage", "appver-a=v9"},
			outcome: unchanged,
		},
		{
			name: "recompute without propagation", direction: contract.Recompute, rules: walkthrough,
			headers: []string{"x-user-id", "jessie", "appver-a", "v1", "baggage", "appver-a=v7"},
			want:    []string{"x-user-id", "jessie", "appver-a", "v1", "baggage", "appver-a=v7", "x-asm-prefer-tag", "s2"},
			sets:    1, outcome: tagged,
		},
		{
			name: "recompute where clients are trusted", direction: contract.Recompute, rules: "trustClientTags: true\n" + walkthrough,
			headers: []string{"x-user-id", "jessie", "appver-a", "v1"},
			want:    []string{"x-user-id", "jessie", "appver-a", "v1", "x-asm-prefer-tag", "s2"},
			sets:    1, outcome: tagged,
		},
		{
			name: "recompute over the limit", direction: contract.Recompute, limits: Limits{MaxHeaders: 2},
			headers: []string{"x-user-id", "jessie"},
			outcome: overLimits,
		},
		{
			name: "collect asks no rule", direction: contract.Collect,
			headers: []string{"x-user-id", "jason"},
			outcome: unchanged,
		},
		{
			name: "collect without propagation", direction: contract.Collect, rules: walkthrough,
			headers: []string{"appver-a", "v2"},
			outcome: unchanged,
		},
		{
			name: "collect finds what is so already", direction: contract.Collect,
			headers: []string{"appver-a", "v2", "baggage", "appver-a=v2,a=1"},
			outcome: unchanged,
		},
		{
			name: "collect over the limit", direction: contract.Collect, limits: Limits{MaxHeaders: 1},
			headers: []string{"appver-a", "v2"},
			outcome: overLimits,
		},
		{
			name: "collect where there is baggage at the limit", direction: contract.Collect, limits: Limits{MaxHeaders: 2},
			headers: []string{"appver-a", "v2", "baggage", "a=1"},
			want:    []string{"appver-a", "v2", "baggage", "appver-a=v2,a=1"},
			sets:    1, outcome: tagged,
		},
		{
			name: "collect leaves other members behind", direction: contract.Collect,
			headers: []string{"appver-a", "v2", "baggage", "appver-a=v1," + others(64)},
			want:    []string{"appver-a", "v2", "baggage", others(64)},
			sets:    1, outcome: cleaned,
		},
		{
			name: "nobody knows what to do", direction: contract.UnknownDirection,
			headers: []string{"x-user-id", "jessie", "appver-zz", "1", "baggage", "appver-a=v2"},
			outcome: unchanged,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.rules == "" {
				tt.rules = named
			}
			headers := pairs(tt.headers)
			want := applied{headers: headers, sets: tt.sets}
			if tt.want != nil {
				want.headers = pairs(tt.want)
			}
			p := New(Options{Limits: tt.limits})
			p.NewStreamOf(tt.direction).Reply(nil, encodeHeaders(headers, false)) // no rules yet
			p.SetTable(load(t, tt.rules))
			for i, plain := range []bool{false, true} {
				reply, _ := p.NewStreamOf(tt.direction).Reply(nil, encodeHeaders(headers, plain))
				checkApplied(t, headers, plain, p.limits, reply, want)
				counted := float64(i + 1)
				if tt.direction == contract.UnknownDirection {
					counted++
				}
				if got := float64(p.metrics.messages[tt.direction][tt.outcome].Load()); got != counted {
					t.Errorf("%v requests of %v are %s, want %v", got, tt.direction, outcomeNames[tt.outcome], counted)
				}
			}
		})
	}
}

// TestDirection checks how a stream says its direction, and that one who says nonsense
// gets no harm and a line in the log.
func TestDirection(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p := New(Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	log.Reset() // a build with faults says so
	p.SetTable(load(t, travelling))
	conn := serve(t, p)
	headers := []string{"x-user-id", "bob", "appver-zz", "v", "baggage", "appver-b=v3"}
	for _, tt := range []struct {
		said []string
		want contract.Direction
		sets []string
	}{
		{nil, contract.Gateway, []string{"appver-a", "baggage"}},
		{[]string{"gateway"}, contract.Gateway, []string{"appver-a", "baggage"}},
		{[]string{"restore"}, contract.Restore, []string{"appver-b"}},
		{[]string{"recompute"}, contract.Recompute, []string{"appver-b", "appver-a"}},
		{[]string{"collect"}, contract.Collect, []string{"baggage"}},
		{[]string{"collect", "restore"}, contract.Collect, []string{"baggage"}},
		{[]string{"Restore"}, contract.UnknownDirection, nil},
		{[]string{"unknown"}, contract.UnknownDirection, nil},
		{[]string{""}, contract.UnknownDirection, nil},
	} {
		before := float64(p.metrics.messages[tt.want][tagged].Load())
		if tt.sets == nil {
			before = float64(p.metrics.messages[tt.want][unchanged].Load())
		}
		ctx := grpcmetadata.NewOutgoingContext(t.Context(), grpcmetadata.MD{contract.DirectionKey: tt.said})
		reply, err := askWith(ctx, conn, headersRequest(rawHeaders(headers...)))
		if err != nil {
			t.Fatalf("%q: %v", tt.said, err)
		}
		var sets []string
		for _, o := range reply.GetRequestHeaders().GetResponse().GetHeaderMutation().GetSetHeaders() {
			sets = append(sets, o.GetHeader().GetKey())
		}
		if !slices.Equal(sets, tt.sets) {
			t.Errorf("%q: the reply sets %q, want %q", tt.said, sets, tt.sets)
		}
		counter := &p.metrics.messages[tt.want][tagged]
		if tt.sets == nil {
			counter = &p.metrics.messages[tt.want][unchanged]
			checkReply(t, string(marshal(t, reply)), noChange)
		}
		if got := float64(counter.Load()) - before; got != 1 {
			t.Errorf("%q: %v messages more are counted as %v, want 1", tt.said, got, tt.want)
		}
	}
	if got, want := log.String(), `level=ERROR msg="Envoy sends an unknown direction`; strings.Count(got, want) != 1 || !strings.Contains(got, "value=Restore") {
		t.Errorf("the log is\n%s\nwant one line with %s", got, want)
	}
}
