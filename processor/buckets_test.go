package processor

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBucketsStay checks that a user is in the same buckets whatever happens to
// the processor, and whichever form the request has.
func TestBucketsStay(t *testing.T) {
	t.Parallel()
	// Nobody gets a tag, so that replies are equal where the buckets are.
	table := load(t, `
rules:
- {name: fnv, header: x-user-id, modulo: 1000000, tagHeader: a, policies: [{range: 0, tagValue: s1}]}
- {name: xxh3, header: x-user-id, modulo: 1000000, tagHeader: b, hash: xxh3, salt: spring, policies: [{range: 0, tagValue: s1}]}
`)
	rules := []ruleModel{{Name: "fnv", Modulo: 1e6}, {Name: "xxh3", Modulo: 1e6, Hash: "xxh3", Salt: "spring"}}
	p := New(Options{Metadata: true})
	p.SetTable(table)
	reply := func(p *Processor, id string, plain bool) string {
		r, _ := p.NewStream().Reply(nil, encodeHeaders([][2]string{{"accept", "*/*"}, {"x-user-id", id}}, plain))
		return string(r)
	}

	const users = 10_000
	want := map[string]string{}
	for i := range users {
		id := fmt.Sprint("user-", i)
		want[id] = reply(p, id, false)
		decisions := map[string]any{}
		for _, r := range rules {
			decisions[r.Name] = map[string]any{"reason": "no_policy", "bucket": float64(r.bucket(id))}
		}
		got := metadataOf(t, []byte(want[id]))["tagproc"].(map[string]any)["rules"]
		if diff := cmp.Diff(decisions, got); diff != "" {
			t.Fatalf("the decisions on %s are wrong (-want +got):\n%s", id, diff)
		}
	}

	check := func(what string, p *Processor, plain bool) {
		t.Helper()
		for id, w := range want {
			if got := reply(p, id, plain); got != w {
				t.Fatalf("%s: the reply to %s is %q, want %q", what, id, got, w)
			}
		}
	}
	check("in the field value", p, true)
	p.SetTable(load(t, walkthrough))
	p.SetTable(table)
	check("after other rules", p, false)
	another := New(Options{Metadata: true})
	another.SetTable(table)
	check("of another processor", another, false)
}
