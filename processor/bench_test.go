package processor

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/rules"
)

// load returns the table of a rules file.
func load(t testing.TB, src string) *rules.Table {
	t.Helper()
	table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
	if table == nil {
		t.Fatalf("%v in:\n%s", problems.Err(), src)
	}
	return table
}

// manyRules returns a rules file of n rules for x-user-id, on up to 25 tag
// headers in turn.
func manyRules(n int) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range n {
		fmt.Fprintf(&b, "- {name: rule-%d, header: x-user-id, tagHeader: appver-%c, policies: [{range: 20, tagValue: v2}]}\n", i, 'a'+i%25)
	}
	return b.String()
}

// benchmarkRequests are those of the benchmarks: jessie is in bucket 16, so that
// every rule of manyRules gives her a tag.
func benchmarkRequests(t testing.TB) map[string][]byte {
	t.Helper()
	hit := browserHeaders()
	miss := browserHeaders()
	for i := range miss {
		miss[i] = strings.ReplaceAll(miss[i], "x-user-id", "x-user-no")
	}
	const baggage = "userId=alice,serverNode=DF%2028,isProduction=false"
	return map[string][]byte{
		"hit":            marshal(t, headersRequest(rawHeaders(hit...))),
		"miss":           marshal(t, headersRequest(rawHeaders(miss...))),
		"baggage":        marshal(t, headersRequest(rawHeaders(append(slices.Clone(hit), "baggage", baggage)...))),
		"forged-baggage": marshal(t, headersRequest(rawHeaders(append(slices.Clone(miss), "baggage", baggage+", AppVer%2DA=v9", "baggage", "appver-b=v9")...))),
	}
}

// BenchmarkReply reads a browser's request of 20 headers, matches, and replies.
func BenchmarkReply(b *testing.B) {
	for _, n := range []int{1, 3, 100} {
		for _, name := range []string{"hit", "miss"} {
			b.Run(fmt.Sprintf("%s/rules=%d", name, n), func(b *testing.B) {
				benchmarkReply(b, Options{}, n, name)
			})
		}
	}
}

// BenchmarkReplyWithMetadata is BenchmarkReply with dynamic metadata.
func BenchmarkReplyWithMetadata(b *testing.B) {
	for _, n := range []int{1, 3, 100} {
		for _, name := range []string{"hit", "miss"} {
			b.Run(fmt.Sprintf("%s/rules=%d", name, n), func(b *testing.B) {
				benchmarkReply(b, Options{Metadata: true}, n, name)
			})
		}
	}
}

// propagated has rules whose tags travel as baggage.
func propagated(n int) string {
	return "tagHeaders: {headerPrefixes: [appver]}\npropagation: {headerPrefixes: [appver]}\n" + manyRules(n)
}

// BenchmarkReplyWithBaggage is BenchmarkReply with propagation, of requests that
// have no baggage, that of a browser, and one with forged members.
func BenchmarkReplyWithBaggage(b *testing.B) {
	for _, n := range []int{1, 3} {
		for _, name := range []string{"miss", "hit", "baggage", "forged-baggage"} {
			b.Run(fmt.Sprintf("%s/rules=%d", name, n), func(b *testing.B) {
				benchmarkTable(b, Options{}, load(b, propagated(n)), name)
			})
		}
	}
}

// benchmarkReply answers one of benchmarkRequests by n rules.
func benchmarkReply(b *testing.B, o Options, n int, name string) {
	b.Helper()
	benchmarkTable(b, o, load(b, manyRules(n)), name)
}

// benchmarkTable answers one of benchmarkRequests by a table.
func benchmarkTable(b *testing.B, o Options, table *rules.Table, name string) {
	b.Helper()
	p := New(o)
	p.SetTable(table)
	msg := benchmarkRequests(b)[name]
	dst := make([]byte, 0, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if reply, more := p.NewStream().Reply(dst, msg); len(reply) == 0 || more {
			b.Fatalf("Reply = %x, %v", reply, more)
		}
	}
}

// BenchmarkReplyParallel answers on every processor at once: what they share is
// waited for here.
func BenchmarkReplyParallel(b *testing.B) {
	p := New(Options{})
	p.SetTable(load(b, manyRules(1)))
	msg := benchmarkRequests(b)["hit"]
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		dst := make([]byte, 0, 4096)
		for pb.Next() {
			p.NewStream().Reply(dst, msg)
		}
	})
}

// BenchmarkRead only reads.
func BenchmarkRead(b *testing.B) {
	msg := benchmarkRequests(b)["hit"]
	var r request
	b.ReportAllocs()
	for b.Loop() {
		if !r.read(msg) {
			b.Fatal("read = false")
		}
	}
}

// languageCases are rules that look at more than a header, and requests for them.
var languageCases = map[string]struct{ rules, name, value string }{
	"cookie=4KiB": {"rules:\n- {keys: [{cookie: uid}], tagHeader: appver-a, policies: [{range: 20, tagValue: v2}]}\n", "cookie", strings.Repeat("name-of-a-cookie="+strings.Repeat("v", 84)+"; ", 39) + "uid=jessie"},
	"path=2KiB":   {"rules:\n- {keys: [{query: uid}], tagHeader: appver-a, policies: [{range: 20, tagValue: v2}]}\n", ":path", "/" + strings.Repeat("segment/", 100) + "?" + strings.Repeat("name=value%20&", 90) + "uid=jessie"},
	"match=20":    {matchRules(20), ":path", "/checkout/19/x?a=b"},
	"visitor=new": {"rules:\n- {keys: [{visitor: {}}], tagHeader: appver-a, policies: [{range: 100, tagValue: v2}]}\n", "cookie", "a=1; b=2"},
}

// matchRules returns n rules that are for different paths.
func matchRules(n int) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range n {
		fmt.Fprintf(&b, "- {name: rule-%d, match: {paths: [{prefix: /checkout/%[1]d}]}, header: x-user-id, tagHeader: appver-a, policies: [{range: 20, tagValue: v2}]}\n", i)
	}
	return b.String()
}

// languageRequest is a browser's request with one header more, or another one.
func languageRequest(t testing.TB, name, value string) []byte {
	t.Helper()
	headers := browserHeaders()
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == name {
			headers[i+1] = value
			return marshal(t, headersRequest(rawHeaders(headers...)))
		}
	}
	return marshal(t, headersRequest(rawHeaders(append(headers, name, value)...)))
}

// BenchmarkReplyToLanguage has requests whose keys are not headers of their own.
func BenchmarkReplyToLanguage(b *testing.B) {
	for name, c := range languageCases {
		b.Run(name, func(b *testing.B) {
			p := New(Options{})
			p.SetTable(load(b, c.rules))
			s, msg, dst := p.NewStream(), languageRequest(b, c.name, c.value), make([]byte, 0, 64<<10)
			b.ReportAllocs()
			for b.Loop() {
				s.Reply(dst, msg)
			}
		})
	}
}

func TestReplyToLanguageAllocates(t *testing.T) {
	for name, c := range languageCases {
		for _, o := range []Options{{}, {Metadata: true}} {
			p := New(o)
			p.SetTable(load(t, c.rules))
			pl := p.plan.Load()
			sc, s, msg, dst := newScratch(pl), p.NewStream(), languageRequest(t, c.name, c.value), make([]byte, 0, 64<<10)
			if reply, _ := s.answer(dst, msg, pl, sc); !strings.Contains(string(reply), "appver-a") {
				t.Errorf("%s: no tag is set", name)
			}
			sc.reset()
			if got := testing.AllocsPerRun(1000, func() {
				s.answer(dst, msg, pl, sc)
				sc.reset()
			}); got != 0 {
				t.Errorf("%s, %+v: answer allocates %v times, want 0", name, o, got)
			}
		}
	}
}

// TestReplyAllocates checks what the benchmark shows: nothing is allocated. The
// scratch is its own, because with the race detector sync.Pool forgets some.
func TestReplyAllocates(t *testing.T) {
	requests := benchmarkRequests(t)
	forged := append(browserHeaders(), "appver-a", "forged", "appver-a", "twice", "appver-zz", "gone")
	requests["forged"] = marshal(t, headersRequest(rawHeaders(forged...)))
	requests["value"] = marshal(t, headersRequest(plainHeaders(forged...)))
	requests["large baggage"] = marshal(t, headersRequest(rawHeaders("x-user-id", "jessie", "baggage", strings.Repeat("a=1,", 200)+"appver-a=1")))
	requests["malformed"] = requests["hit"][:100]
	requests["body"] = readSeeds(t)["body"]
	for _, n := range []int{1, 3, 100} {
		for _, o := range []Options{{}, {Metadata: true}, {Limits: Limits{MaxHeaders: 25}}} {
			p := New(o)
			p.SetTable(load(t, propagated(n)))
			pl := p.plan.Load()
			sc := newScratch(pl)
			for name, msg := range requests {
				for _, streamed := range []bool{false, true} {
					s := &Stream{processor: p, requestBodyStreamed: streamed}
					dst := make([]byte, 0, 64<<10)
					if got := testing.AllocsPerRun(1000, func() {
						s.answer(dst, msg, pl, sc)
						sc.reset()
					}); got != 0 {
						t.Errorf("%d rules, %+v, %s, streamed: %v: answer allocates %v times, want 0", n, o, name, streamed, got)
					}
				}
			}
		}
	}
}
