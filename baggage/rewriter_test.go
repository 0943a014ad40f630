package baggage

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// owned are the names of these tests.
var owned = NewNames([]string{"lane", "x-asm-tag"}, []string{"appver", "ver.of-"})

// rewrite returns what becomes of the headers of a request: nil where they stay as
// they are.
func rewrite(r *Rewriter, tags []*Member, headers ...string) (with, without []string, fits bool) {
	r.Reset()
	for _, m := range tags {
		r.Write(m)
	}
	for _, h := range headers {
		r.Read([]byte(h))
	}
	if value, changed := r.Result(true); changed {
		with = []string{string(value)}
	}
	if value, changed := r.Result(false); changed {
		without = []string{string(value)}
	}
	return with, without, r.Fits()
}

func TestRewrite(t *testing.T) {
	t.Parallel()
	lane := []*Member{NewMember("lane", "s2")}
	both := slices.Concat(lane, []*Member{NewMember("appver-b", `a"b,c;d\e%f+g=h/i`)})
	const encoded = "appver-b=a%22b%2Cc%3Bd%5Ce%25f%2Bg%3Dh/i"
	for _, tt := range []struct {
		name          string
		tags          []*Member
		headers       []string
		with, without []string // nil: as it was
	}{
		{name: "nothing"},
		{name: "no header", tags: both, with: []string{"lane=s2," + encoded}},
		{name: "an empty header", tags: lane, headers: []string{""}, with: []string{"lane=s2"}},
		{name: "no member", tags: lane, headers: []string{" , ,\t"}, with: []string{"lane=s2"}},
		{name: "an empty header and no tag", headers: []string{""}},
		{name: "no member and no tag", headers: []string{",,"}},
		{name: "others stay as they are", headers: []string{"a=1 , b = %zz;p;q=2,,c"}},
		{name: "others stay behind", tags: lane, headers: []string{" a=1 , b = %zz;p;q=2,,c "}, with: []string{"lane=s2, a=1 , b = %zz;p;q=2,,c"}},
		{name: "two headers stay two", headers: []string{"a=1", "b=2"}},
		{name: "two headers become one", tags: lane, headers: []string{"a=1", "b=2"}, with: []string{"lane=s2,a=1,b=2"}},
		{name: "as it is already", tags: lane, headers: []string{"lane=s2,a=1"}, without: []string{"a=1"}},
		{name: "in two headers already", tags: lane, headers: []string{"lane=s2", "a=1"}, with: []string{"lane=s2,a=1"}, without: []string{"a=1"}},
		{name: "another value", tags: lane, headers: []string{"a=1,lane=s9, b=2"}, with: []string{"lane=s2,a=1, b=2"}, without: []string{"a=1, b=2"}},
		{name: "forged alone", headers: []string{"lane=s2"}, with: []string{""}, without: []string{""}},
		{name: "forged and blank", headers: []string{" lane=s2 , ", ","}, with: []string{""}, without: []string{""}},
		{name: "forged in several headers", headers: []string{"lane=1,a=1", "appver=2", "appver-z=3,b=2,LANE=4"}, with: []string{"a=1,b=2"}, without: []string{"a=1,b=2"}},
		{name: "blanks at the ends", headers: []string{"lane=1, a=1 ", " lane=2"}, with: []string{"a=1"}, without: []string{"a=1"}},
		{name: "blanks at the ends, and a tag", tags: lane, headers: []string{" lane=2, a=1 "}, with: []string{"lane=s2, a=1"}, without: []string{"a=1"}},
		{name: "names that only look like it", headers: []string{"lan=1,lanes=1,x-lane=1,xlane=1,a=lane,a=lane;p,a=1;p=lane,a=%6cane,la-ne=1,appve=r,%6bane=1,ann%65=1,lane.x=1,lane!=1,a==,a=b=c,a=bGFuZQ==,=lan=1,x-asm-tags=1,x-as-mtag=1,xasmtag=1,asm_tag=1"}},
		{name: "what Envoy would refuse goes", tags: lane, headers: []string{"a=\x01,b=2,c=\x7f,d=\t1"}, with: []string{"lane=s2,b=2,d=\t1"}},
		{name: "bytes that are not UTF-8 stay", tags: lane, headers: []string{"a=\xff,\x80"}, with: []string{"lane=s2,a=\xff,\x80"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			with, without, fits := rewrite(&Rewriter{Owned: owned}, tt.tags, tt.headers...)
			if tt.without == nil && len(tt.tags) == 0 {
				tt.without = tt.with
			}
			if fmt.Sprintf("%q", with) != fmt.Sprintf("%q", tt.with) || fmt.Sprintf("%q", without) != fmt.Sprintf("%q", tt.without) || !fits {
				t.Errorf("%q becomes %q, %q without the tags (fits: %v), want %q, %q", tt.headers, with, without, fits, tt.with, tt.without)
			}
		})
	}
}

// TestForged checks what counts as a member of an owned name.
func TestForged(t *testing.T) {
	t.Parallel()
	for _, member := range []string{
		"lane=s2", "LANE=s2", "LaNe = s2", "\tlane\t=s2", "lane", "lane;p=1", " lane ; p", "lane=", "=lane=s2", " = lane=s2", "lane==s2", "lane=s2;lane=s3",
		"appver=1", "appver-z=1", "AppVer=1", "APPVERSION=1",
		"%6cane=s2", "l%61ne=s2", "%4C%41%4e%45=s2", "l%2561ne=s2", "%25%36%63ane=s2", "%6%63ane=s2", "lan%65=s2", "%256%63ane=s2",
		"+lane=s2", "lane+=s2", "%2blane=s2", "%20lane=s2", "lane%20=s2", "%09lane%00=s2", "+%2B+lane=s2",
		"l ane=s2", "l\ta ne=s2", "a lane=s2", "lane b=s2", "l %61 ne=s2", "%6 1ppver=1",
		"l+ane=s2", "l%20ane=s2", "l%2Ba%252bne=s2", "l%2509ane=s2", "%6%20Cane=s2", "l+ %61%20ne=s2", "x%2Cl%20ane=s2", "x%20l ane=s2",
		"x%2Clane%3Ds2%3B=1", "x%252Clane=s2", "x;lane=s2", "x%0Alane=s2", `"lane"=s2`, "(lane)=s2",
		"a=1=lane=s2", "a==lane=s2", "a=1=b=2=lane=s2", "a=1=lane=", "a=lane=s2", "a=1;lane=s2", "a=1;p=2;LANE=s2", "a=1;p= lane =s2", "a=lane;p=1", ";lane=s2",
		"a=%2Clane%3Ds2", "a=%2Clane=s2", "a=%252Clane%253Ds2", "a=1%3Dlane%3Ds2", "a=1;p=%2Cl%61ne%3Ds2", "a=1%3Blane%3Ds2", "a=+lane+%3D", "a=%2C l ane%3Ds2", "a=%2Cl%2520ane%3Ds2", "lane%3Ds2", "a%3D1%3Dlane%3Ds2",
		"x_asm_tag=s2", "X.ASM~TAG=s2", "x_asm-tag", "a=1=x%5Fasm_tag=s2", "ver_of_b=1", "ver-of!x=1",
		"\xa0lane=s2", "lane\x85=s2", "\u00a0lane=s2", "\u2003lane\ufeff=s2", "%C2%A0lane=s2",
	} {
		for _, tt := range []struct{ header, want string }{{member, ""}, {"a=1," + member, "a=1"}, {member + ",a=1", "a=1"}} {
			_, without, _ := rewrite(&Rewriter{Owned: owned}, nil, tt.header)
			if len(without) != 1 || without[0] != tt.want {
				t.Errorf("of %q %q stays, want %q", tt.header, without, tt.want)
			}
		}
	}
}

// TestTrusted checks that without owned names a member goes if another one of its
// name is written.
func TestTrusted(t *testing.T) {
	t.Parallel()
	with, without, _ := rewrite(&Rewriter{}, []*Member{NewMember("lane", "s2")}, "Lan%65=1,appver-b=2", "lanes=3")
	if want := "lane=s2,appver-b=2,lanes=3"; len(with) != 1 || with[0] != want {
		t.Errorf("the baggage becomes %q, want %q", with, want)
	}
	if want := "appver-b=2,lanes=3"; len(without) != 1 || without[0] != want {
		t.Errorf("without the tags the baggage becomes %q, want %q", without, want)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	tags := []*Member{NewMember("lane", "s2"), NewMember("appver-b", "v2")} // 19 bytes, and a comma
	for _, tt := range []struct {
		name   string
		header string
		fits   bool
	}{
		{"64 members", strings.Repeat("a=1,", 61) + "b", true},
		{"65 members", strings.Repeat("a=1,", 62) + "b", false},
		{"65 members, one of them forged", strings.Repeat("a=1,", 62) + "lane", true},
		{"64 members and blanks", strings.Repeat("a=1, ,", 61) + "b", true},
		{"8,192 bytes", strings.Repeat("a", MaxBytes-20), true},
		{"8,193 bytes", strings.Repeat("a", MaxBytes-19), false},
		{"8,192 bytes and a blank", strings.Repeat("a", MaxBytes-20) + " ", true},
		{"8,192 bytes and a forged member", "lane=1," + strings.Repeat("a", MaxBytes-20), true},
	} {
		with, _, fits := rewrite(&Rewriter{Owned: owned}, tags, tt.header)
		if fits != tt.fits {
			t.Errorf("%s: Fits() = %v of %d bytes, want %v", tt.name, fits, len(with[0]), tt.fits)
		}
	}
}

func TestUTF8(t *testing.T) {
	t.Parallel()
	with, _, _ := rewrite(&Rewriter{Owned: owned, UTF8: true}, []*Member{NewMember("lane", "s2")}, "a=\xff,b=é,\x80")
	if want := "lane=s2,b=é"; len(with) != 1 || with[0] != want {
		t.Errorf("the baggage becomes %q, want %q", with, want)
	}
}

// benchmarkHeaders are baggage as it comes: none, what a browser's page has, as much
// as may be, and what makes most work.
var benchmarkHeaders = map[string][]string{
	"none":    nil,
	"usual":   {"userId=alice,serverNode=DF%2028,isProduction=false", "session=0af7651916cd43dd8448eb211c80319c;ttl=30"},
	"forged":  {"userId=alice,AppVer-B=v2, l%61ne = s9 ,isProduction=false"},
	"full":    {strings.TrimSuffix(strings.Repeat("member-0123456789=value-0123456789,", 62), ",")},
	"hostile": {strings.Repeat("%25", 20_000) + strings.Repeat(",appve", 10_000), "a=" + strings.Repeat("=+x-asm_ta", 5_000)},
}

func BenchmarkRewriter(b *testing.B) {
	tags := []*Member{NewMember("lane", "s2"), NewMember("appver-b", "v2")}
	for name, headers := range benchmarkHeaders {
		b.Run(name, func(b *testing.B) {
			var values [][]byte
			for _, h := range headers {
				values = append(values, []byte(h))
			}
			r := &Rewriter{Owned: owned}
			b.ReportAllocs()
			for b.Loop() {
				r.Reset()
				for _, m := range tags {
					r.Write(m)
				}
				for _, v := range values {
					r.Read(v)
				}
				if value, changed := r.Result(r.Fits()); !changed && len(value) > 0 {
					b.Fatal("nothing changed")
				}
			}
		})
	}
}

// TestAllocates checks what the benchmark shows: nothing is allocated.
func TestAllocates(t *testing.T) {
	tags := []*Member{NewMember("lane", "s2")}
	for name, headers := range benchmarkHeaders {
		r := &Rewriter{Owned: owned}
		var values [][]byte
		for _, h := range headers {
			values = append(values, []byte(h))
		}
		if got := testing.AllocsPerRun(100, func() {
			r.Reset()
			for _, m := range tags {
				r.Write(m)
			}
			for _, v := range values {
				r.Read(v)
			}
			r.Result(r.Fits())
		}); got != 0 {
			t.Errorf("%s: %v allocations, want 0", name, got)
		}
	}
}
