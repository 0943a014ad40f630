package processor

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// TestMayMatter holds that the filter keeps no name away that matters, and most
// of a browser's names that do not.
func TestMayMatter(t *testing.T) {
	t.Parallel()
	long, longPrefix := strings.Repeat("l", 200), "p-"+strings.Repeat("p", 70)
	p := newPlan(load(t, `
tagHeaders: {headers: [x-asm-prefer-tag, `+long+`], headerPrefixes: [appver, `+longPrefix+`]}
rules: [{header: x-user-id, tagHeader: appver-a, policies: [{range: 1, tagValue: v2}]}]
`), Limits{}.withDefaults(), newMetrics(nil))
	for _, name := range []string{
		"x-user-id", "x-asm-prefer-tag", "appver-a", "appver", "appver-zz", "appver" + long, "appver" + long[:58], long, longPrefix, longPrefix + "-more",
	} {
		if !p.mayMatter([]byte(name)) {
			t.Errorf("mayMatter(%q) = false, want true", name)
		}
	}
	for _, name := range []string{"", "x-user-i", "x-user-idd", "appve", "bppver-a"} {
		if p.mayMatter([]byte(name)) {
			t.Errorf("mayMatter(%q) = true, want false", name)
		}
	}
	passed := 0
	for _, h := range pairs(browserHeaders()) {
		if p.mayMatter([]byte(h[0])) {
			passed++
		}
	}
	if passed > 4 {
		t.Errorf("mayMatter lets %d of a browser's 20 names through, of which one matters", passed)
	}
}

// TestEmptyReplies holds that each is of its kind and says nothing else.
func TestEmptyReplies(t *testing.T) {
	t.Parallel()
	wants := map[phase]*extprocv3.ProcessingResponse{
		requestHeaders: noChange, responseHeaders: noChangeInResponse,
		requestBody: noChangeInRequestBody, responseBody: noChangeInResponseBody,
		requestTrailers: noChangeInRequestTrailers, responseTrailers: noChangeInResponseTrailers,
	}
	for p, want := range wants {
		var got extprocv3.ProcessingResponse
		if err := proto.Unmarshal(emptyReplies[p], &got); err != nil || !proto.Equal(&got, want) {
			t.Errorf("emptyReplies[%d] = %v, %v, want %v", p, &got, err, want)
		}
	}
}
