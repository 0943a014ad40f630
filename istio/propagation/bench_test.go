package propagation

import (
	"fmt"
	"strings"
	"testing"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/tagproc/tagproc/rules"
)

// BenchmarkSidecar is the time of a request through Envoy to an application, one after
// another. What a filter takes is the difference to none.
func BenchmarkSidecar(b *testing.B) {
	travels := rules.Owned{Headers: []string{"x-asm-prefer-tag"}, Prefixes: []string{"appver"}}
	table := load(b, "rules: [{header: x-user-id, tagHeader: tag-a, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}]")
	s := startSidecar(b, "", map[string][]*hcmv3.HttpFilter{
		"none":      nil,
		"restore":   propagated(b, travels).outbound,
		"collect":   propagated(b, travels).inbound,
		"recompute": recomputedByLua(b, table),
	})
	usual := "baggage: appver-a=v2,appver-b=v2,userId=alice,serverNode=DF%2028,isProduction=false"
	hostile := "baggage: " + strings.Repeat("b=%41%41,", 6000)
	blank := "baggage: a=" + strings.Repeat(" \t", 14000) + "," + strings.Repeat(" ", 28000)
	for _, c := range []struct {
		listener, name string
		lines          []string
	}{
		{"none", "no baggage", nil},
		{"restore", "no baggage", nil},
		{"none", "usual", []string{usual}},
		{"restore", "usual", []string{usual}},
		{"collect", "usual", []string{usual, "appver-c: v3"}},
		{"none", "54 KB", []string{hostile}},
		{"restore", "54 KB", []string{hostile}},
		{"collect", "54 KB", []string{hostile, "appver-c: v3"}},
		{"restore", "56 KB of blanks", []string{blank}},
		{"collect", "56 KB of blanks", []string{blank, "appver-c: v3"}},
		{"none", "user", []string{"x-user-id: 0123456789"}},
		{"recompute", "user", []string{"x-user-id: 0123456789"}},
		{"recompute", "no user", nil},
	} {
		b.Run(fmt.Sprintf("%s/%s", c.listener, c.name), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.send(b, c.listener, c.lines); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
