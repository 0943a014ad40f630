package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// manyRules returns n rules, each with its own range, over at most 25 tag
// headers.
func manyRules(n int) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range n {
		fmt.Fprintf(&b, "- {name: rule-%d, header: x-user-id, tagHeader: appver-%d, policies: [{range: %d, tagValue: v2}, {range: 100, tagValue: v1}]}\n", i, i%25, i%100)
	}
	return b.String()
}

func manyPolicies(n int) string {
	var b strings.Builder
	b.WriteString("rules:\n- {header: x-user-id, tagHeader: tag, modulo: 1000000, policies: [")
	for i := range n {
		fmt.Fprintf(&b, "{range: %d, tagValue: v%d}, ", (i+1)*(MaxModulo/n), i)
	}
	b.WriteString("]}\n")
	return b.String()
}

var matchCases = []struct{ name, src string }{
	{"rules=1", manyRules(1)},
	{"rules=3", manyRules(3)},
	{"rules=100", manyRules(100)},
	{"rules=1000", manyRules(1000)},
	{"policies=100", manyPolicies(100)},
	{"policies=1000", manyPolicies(1000)},
	{"hash=xxh3", strings.Replace(manyRules(1), "header:", "hash: xxh3, salt: s, header:", 1)},
	{"overrides=1", strings.Replace(manyRules(1), "header:", "overrides: [{values: [jason], tagValue: v2}], header:", 1)},
}

func BenchmarkMatch(b *testing.B) {
	for _, c := range matchCases {
		b.Run(c.name, func(b *testing.B) {
			table := mustLoad(b, c.src)
			r := table.NewRequest()
			key := []byte("2c9f6f3e-1f0a-4f6e-9d5e-8a1f3f1f7a77")
			b.ReportAllocs()
			for b.Loop() {
				r.Reset()
				r.SetKey(0, key)
				table.Match(r)
			}
		})
	}
}

// languageCases are requests whose rules need more than a header.
var languageCases = []struct {
	name, src string
	headers   []pair
}{
	{"cookie=4KiB", cookieRule, []pair{{"cookie", strings.Repeat("name-of-a-cookie="+strings.Repeat("v", 84)+"; ", 39) + "uid=jack"}}},
	{"path=2KiB", strings.Replace(cookieRule, "cookie", "query", 1), []pair{{":path", "/" + strings.Repeat("segment/", 100) + "?" + strings.Repeat("name=value%20&", 90) + "uid=jack"}}},
	{"match=20", matchRules(20), []pair{{":authority", "shop-19.example.com:8443"}, {":path", "/checkout/19/x?a=b"}, {"x-user-id", "jack"}}},
	{"visitor=new", strings.Replace(cookieRule, "{cookie: uid}", "{visitor: {}}", 1), []pair{{"cookie", "a=1; b=2"}}},
	{"visitor=known", strings.Replace(cookieRule, "{cookie: uid}", "{visitor: {}}", 1), []pair{{"cookie", "a=1; tagproc-visitor=0123456789abcdef0123456789abcdef"}}},
}

const cookieRule = "rules:\n- {keys: [{cookie: uid}], tagHeader: tag, policies: [{range: 20, tagValue: v2}]}\n"

// matchRules returns n rules that are for different hosts and paths.
func matchRules(n int) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range n {
		fmt.Fprintf(&b, "- {name: rule-%d, match: {hosts: [shop-%[1]d.example.com, \"*.shop-%[1]d.example.com\"], paths: [{prefix: /checkout/%[1]d}]}, header: x-user-id, tagHeader: tag, policies: [{range: 20, tagValue: v2}]}\n", i)
	}
	return b.String()
}

func BenchmarkMatchLanguage(b *testing.B) {
	for _, c := range languageCases {
		b.Run(c.name, func(b *testing.B) {
			table := mustLoad(b, c.src)
			r, set := table.NewRequest(), setter(table, c.headers)
			r.Mints = true
			b.ReportAllocs()
			for b.Loop() {
				r.Reset()
				set(r)
				table.Match(r)
			}
		})
	}
}

// setter returns a function that sets headers of a request of table.
func setter(table *Table, headers []pair) func(*Request) {
	var indexes []int
	var values [][]byte
	for _, h := range headers {
		indexes, values = append(indexes, slices.Index(table.Inputs(), h.name)), append(values, []byte(h.value))
	}
	return func(r *Request) {
		for i, index := range indexes {
			if index >= 0 {
				r.SetHeader(index, values[i])
			}
		}
	}
}

func TestLanguageAllocatesNothing(t *testing.T) {
	hostile := strings.Repeat("u%69d%zz=%4;=\"uid\x00;;", 1000)
	for _, c := range append(languageCases, struct {
		name, src string
		headers   []pair
	}{"hostile", strings.Replace(cookieRule, "{cookie: uid}", "{cookie: uid}, {query: uid}", 1), []pair{{"cookie", hostile}, {"cookie", hostile}, {":path", "?" + strings.ReplaceAll(hostile, ";", "&")}}}) {
		table := mustLoad(t, c.src)
		r, set := table.NewRequest(), setter(table, c.headers)
		r.Mints = true
		if n := testing.AllocsPerRun(100, func() {
			r.Reset()
			set(r)
			table.Match(r)
		}); n != 0 {
			t.Errorf("%s: Match allocates %v times, want 0", c.name, n)
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	for _, c := range matchCases {
		table := mustLoad(t, c.src)
		r := table.NewRequest()
		key := []byte("jason")
		if n := testing.AllocsPerRun(100, func() {
			r.Reset()
			r.SetKey(0, key)
			table.Match(r)
		}); n != 0 {
			t.Errorf("%s: Match allocates %v times, want 0", c.name, n)
		}
	}
}
