package baggage

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
)

// restore returns the tags in headers.
func restore(r *Restorer, headers ...string) map[string]string {
	r.Reset()
	for _, h := range headers {
		r.Read([]byte(h))
	}
	tags := map[string]string{}
	for i := range r.Len() {
		if name, value := r.Tag(i); value != nil {
			tags[string(name)] = string(value)
		}
	}
	return tags
}

// TestRestore has what package processor's cases have not: what is kept between
// requests, and what is asked of it.
func TestRestore(t *testing.T) {
	t.Parallel()
	r := &Restorer{Names: owned}
	for _, tt := range []struct {
		headers []string
		want    map[string]string
	}{
		{nil, map[string]string{}},
		{[]string{"a=1,lane=s%32", "Appver-B=v2 ; p"}, map[string]string{"lane": "s2", "appver-b": "v2"}},
		{[]string{"lane=%00,lane=s3"}, map[string]string{}},
		{[]string{"lane=s3"}, map[string]string{"lane": "s3"}},
		{[]string{strings.Repeat("a=1,", 40), strings.Repeat("a=1,", 23) + "lane=s2", "appver=v2"}, map[string]string{"lane": "s2"}},
	} {
		if got := restore(r, tt.headers...); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("of %q %q is restored, want %q", tt.headers, got, tt.want)
		}
		for _, name := range []string{"lane", "appver-b", "a", ""} {
			if _, want := tt.want[name]; r.Has(name) != want {
				t.Errorf("after %q Has(%q) = %v, want %v", tt.headers, name, !want, want)
			}
		}
	}
}

// TestWrittenIsRestored checks that a hop restores every tag that the gateway or
// another hop writes.
func TestWrittenIsRestored(t *testing.T) {
	t.Parallel()
	var all []byte
	for c := byte('!'); c <= '~'; c++ {
		all = append(all, c)
	}
	for _, value := range []string{string(all), "%41", "%", strings.Repeat("%", 256), "v2"} {
		c := &Collector{Names: owned}
		c.Add([]byte("lane"), []byte(value))
		c.Read([]byte(" a=1 ;p,LANE=v9,,b"))
		collected, fits, changed := c.Result()
		written, _, _ := rewrite(&Rewriter{Owned: owned}, []*Member{NewMember("lane", value)}, "a=1 ;p,b")
		if !fits || !changed || string(collected) != written[0] {
			t.Errorf("%q is collected as %q, and written at the gateway as %q", value, collected, written)
		}
		if got := restore(&Restorer{Names: owned}, string(collected)); got["lane"] != value {
			t.Errorf("%q is written as %q, and restored as %q", value, collected, got)
		}
	}
}

// TestCollect has what package processor's cases have not.
func TestCollect(t *testing.T) {
	t.Parallel()
	c := &Collector{Names: owned, UTF8: true}
	for _, tt := range []struct {
		tags    []string // name, value
		headers []string
		want    string
		changed bool
	}{
		{nil, []string{"lane=1", "b"}, "", false},
		{[]string{"lane", "s2"}, []string{"lane=s2"}, "lane=s2", false},
		{[]string{"lane", "s2"}, []string{"lane=s2", "a"}, "lane=s2,a", true},
		{[]string{"lane", "s2", "other", "1"}, []string{"a=\xff,b=é,c=\x01"}, "lane=s2,b=é", true},
		{[]string{"lane", "s2"}, []string{"lane=s2", ","}, "lane=s2", true},
		{[]string{"lane", "s2", "appver-b", "a b"}, []string{"Appver-B=v1,Lane=s1"}, "lane=s2,Appver-B=v1", true},
		{[]string{"lane", "", "lane", "s2"}, []string{"lane=1"}, "", false},
		{[]string{"lane", "s2"}, []string{strings.Repeat("x", MaxBytes)}, strings.Repeat("x", MaxBytes), false},
		{[]string{"lane", "s2"}, []string{"lane=1", strings.Repeat("x", MaxBytes)}, strings.Repeat("x", MaxBytes), true},
	} {
		c.Reset()
		for pair := range slices.Chunk(tt.tags, 2) {
			c.Add([]byte(pair[0]), []byte(pair[1]))
		}
		for _, h := range tt.headers {
			c.Read([]byte(h))
		}
		if value, _, changed := c.Result(); changed != tt.changed || c.Collects() && string(value) != tt.want {
			t.Errorf("of %q and %.100q the baggage is %.100q (changed: %v), want %.100q (%v)", tt.tags, tt.headers, value, changed, tt.want, tt.changed)
		}
	}
}

// FuzzRestore checks that a hop reads what OpenTelemetry's library reads, where the two
// can mean the same: in baggage that it reads as a whole, of names that stand there
// once and are said in no other way.
func FuzzRestore(f *testing.F) {
	for _, header := range []string{
		"lane=s2", "a=1, lane = s%32 ;p=1, appver-b=%C3%A9", "LANE=s2,lane=s3", "lane=a b", "lane=", "lane==a", "lane=%25", "lane=1%", "lane=%0d", "l%61ne=1", "appver-b=v2;p;q=1,x=y",
		"lane=" + strings.Repeat("x", 256), "lane=" + strings.Repeat("x", 257), "appver" + strings.Repeat("a", 251) + "=1", strings.Repeat("a=1,", 64) + "lane=1",
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got := restore(&Restorer{Names: owned}, header)
		for name, value := range got {
			if !owned.has([]byte(name)) || !isMemberName([]byte(name)) || strings.ToLower(name) != name || !isTagValue([]byte(value)) {
				t.Errorf("of %q %s: %q is restored, which is no tag", header, name, value)
			}
		}
		parts := strings.Split(header, ",")
		b, err := baggage.Parse(header)
		// No header of HTTP has control characters.
		if err != nil || strings.ContainsFunc(header, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) || len(parts) > MaxMembers || len(header) > MaxBytes {
			return
		}
		named := map[string]int{} // by name in lower case
		for _, p := range parts {
			name, _, _ := strings.Cut(p, "=")
			named[strings.ToLower(strings.Trim(name, " \t"))]++
		}
		want := map[string]string{}
		for _, m := range b.Members() {
			name := strings.ToLower(m.Key())
			if named[name] == 1 && isMemberName([]byte(name)) && owned.has([]byte(name)) && isTagValue([]byte(m.Value())) {
				want[name] = m.Value()
			}
		}
		for name := range named {
			if named[name] == 1 && got[name] != want[name] {
				t.Errorf("of %q %s: %q is restored, and OpenTelemetry reads %q", header, name, got[name], want[name])
			}
		}
	})
}

// hopHeaders are baggage as it comes to a hop.
var hopHeaders = map[string][]string{
	"none":    nil,
	"usual":   {"lane=s2,appver-b=v2,userId=alice,serverNode=DF%2028,isProduction=false"},
	"full":    {"lane=s2," + strings.Repeat("member-0123456789=value-0123456789,", 62)},
	"hostile": {strings.Repeat("appver=%zz%41,", 10_000), "lane=" + strings.Repeat("%41", 20_000)},
}

// lane and s2 are a header.
var lane, s2 = []byte("lane"), []byte("s2")

// hop does to headers what hops do.
func hop(r *Restorer, c *Collector, headers [][]byte) {
	r.Reset()
	c.Reset()
	c.Add(lane, s2)
	for _, h := range headers {
		r.Read(h)
		c.Read(h)
	}
	c.Result()
}

func benchmarkHeadersOf(name string) (headers [][]byte) {
	for _, h := range hopHeaders[name] {
		headers = append(headers, []byte(h))
	}
	return headers
}

func BenchmarkRestorer(b *testing.B) {
	for name := range hopHeaders {
		b.Run(name, func(b *testing.B) {
			headers := benchmarkHeadersOf(name)
			r := &Restorer{Names: owned}
			b.ReportAllocs()
			for b.Loop() {
				r.Reset()
				for _, h := range headers {
					r.Read(h)
				}
			}
		})
	}
}

func BenchmarkCollector(b *testing.B) {
	for name := range hopHeaders {
		b.Run(name, func(b *testing.B) {
			headers := benchmarkHeadersOf(name)
			c := &Collector{Names: owned}
			b.ReportAllocs()
			for b.Loop() {
				c.Reset()
				c.Add(lane, s2)
				for _, h := range headers {
					c.Read(h)
				}
				c.Result()
			}
		})
	}
}

// TestHopAllocates checks what the benchmarks show: nothing is allocated.
func TestHopAllocates(t *testing.T) {
	for name := range hopHeaders {
		headers := benchmarkHeadersOf(name)
		r, c := &Restorer{Names: owned}, &Collector{Names: owned}
		if got := testing.AllocsPerRun(100, func() { hop(r, c, headers) }); got != 0 {
			t.Errorf("%s: %v allocations, want 0", name, got)
		}
	}
}
