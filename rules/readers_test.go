package rules

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A pair is a name and a value of a cookie or of a query.
type pair struct{ name, value string }

func cookiesOf(s string) (pairs []pair) {
	for rest := []byte(s); ; {
		name, value, after, ok := nextCookie(rest)
		if !ok {
			return pairs
		}
		pairs, rest = append(pairs, pair{string(name), string(value)}), after
	}
}

func parametersOf(s string) (pairs []pair) {
	for rest := []byte(s); ; {
		name, value, after, ok := nextParameter(rest)
		if !ok {
			return pairs
		}
		pairs, rest = append(pairs, pair{string(appendDecoded(nil, name)), string(appendDecoded(nil, value))}), after
	}
}

func TestCookies(t *testing.T) {
	for _, tt := range []struct {
		header string
		want   []pair
	}{
		{"", nil},
		{";; ;", nil},
		{"uid=jack", []pair{{"uid", "jack"}}},
		{"a=1; uid=jack; b=2", []pair{{"a", "1"}, {"uid", "jack"}, {"b", "2"}}},
		{"a=1;uid=jack", []pair{{"a", "1"}, {"uid", "jack"}}},
		{"uid=jack; uid=bob", []pair{{"uid", "jack"}, {"uid", "bob"}}},
		{"uid", nil},
		{"uid; a=1", []pair{{"a", "1"}}},
		{"uid=", []pair{{"uid", ""}}},
		{"=jack", []pair{{"", "jack"}}},
		{"uid=a=b=c", []pair{{"uid", "a=b=c"}}},
		{`uid="jack"`, []pair{{"uid", "jack"}}},
		{`uid=""jack""`, []pair{{"uid", `"jack"`}}},
		{`uid="`, []pair{{"uid", `"`}}},
		{`uid="jack`, []pair{{"uid", `"jack`}}},
		{`uid="a;b"`, []pair{{"uid", `"a`}}}, // a semicolon ends the value in quotes, too
		{"\tuid\t=\tjack\t", []pair{{"uid", "jack"}}},
		{"uid=%6aack+1", []pair{{"uid", "%6aack+1"}}},
		{"UID=jack", []pair{{"UID", "jack"}}},
		{"uid=a,b", []pair{{"uid", "a,b"}}},
		{"uid=\x00\xff", []pair{{"uid", "\x00\xff"}}},
	} {
		if got := cookiesOf(tt.header); !slices.Equal(got, tt.want) {
			t.Errorf("cookies of %q = %q, want %q", tt.header, got, tt.want)
		}
	}
}

func TestParameters(t *testing.T) {
	for _, tt := range []struct {
		query string
		want  []pair
	}{
		{"", nil},
		{"&&", nil},
		{"uid=jack&a=1", []pair{{"uid", "jack"}, {"a", "1"}}},
		{"uid", []pair{{"uid", ""}}},
		{"=jack", []pair{{"", "jack"}}},
		{"uid=a=b", []pair{{"uid", "a=b"}}},
		{"u%69d=j%61ck", []pair{{"uid", "jack"}}},
		{"uid=a+b%2Bc", []pair{{"uid", "a b+c"}}},
		{"uid=%", []pair{{"uid", "%"}}},
		{"uid=%2", []pair{{"uid", "%2"}}},
		{"uid=%zz%4", []pair{{"uid", "%zz%4"}}},
		{"uid=%%41", []pair{{"uid", "%A"}}},
		{"uid=%2541", []pair{{"uid", "%41"}}}, // decoded once
		{"a;b=1", []pair{{"a;b", "1"}}},
		{"uid=%00%FF", []pair{{"uid", "\x00\xff"}}},
		{"uid=%C3%bc", []pair{{"uid", "ü"}}},
	} {
		if got := parametersOf(tt.query); !slices.Equal(got, tt.want) {
			t.Errorf("parameters of %q = %q, want %q", tt.query, got, tt.want)
		}
	}
}

func TestSplitPath(t *testing.T) {
	for _, tt := range []struct{ s, path, query string }{
		{"", "", ""}, {"/", "/", ""}, {"/a?b=1?c", "/a", "b=1?c"}, {"/a#b?c", "/a", ""}, {"/a?b#c", "/a", "b"}, {"*", "*", ""}, {"/?", "/", ""},
	} {
		if path, query := splitPath([]byte(tt.s)); string(path) != tt.path || string(query) != tt.query {
			t.Errorf("splitPath(%q) = %q, %q, want %q, %q", tt.s, path, query, tt.path, tt.query)
		}
	}
}

func TestHosts(t *testing.T) {
	for _, tt := range []struct {
		authority, pattern string
		want               bool
	}{
		{"shop.example.com", "shop.example.com", true},
		{"SHOP.example.COM:8443", "shop.example.com", true},
		{"shop.example.com:", "shop.example.com", true},
		{"a.shop.example.com", "shop.example.com", false},
		{"xshop.example.com", "shop.example.com", false},
		{"a.shop.example.com:80", "*.shop.example.com", true},
		{"a.b.SHOP.example.com", "*.shop.example.com", true},
		{"shop.example.com", "*.shop.example.com", false},
		{".shop.example.com", "*.shop.example.com", false},
		{"", "*.shop.example.com", false},
		{"", "shop", false},
		{"[2001:DB8::1]:80", "[2001:db8::1]", true},
		{"[2001:db8::1]", "[2001:db8::1]", true},
		{"[::1", "[", true}, // whatever it is, it has no port
		{"10.0.0.1:80", "10.0.0.1", true},
	} {
		name, suffix := strings.CutPrefix(tt.pattern, "*")
		p := hostPattern{name: name, suffix: suffix}
		if got := p.matches(hostOf([]byte(tt.authority))); got != tt.want {
			t.Errorf("host %q matches %q: %v, want %v", tt.authority, tt.pattern, got, tt.want)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct {
		path, pattern string
		prefix, want  bool
	}{
		{"/checkout", "/checkout", true, true},
		{"/checkout/", "/checkout", true, true},
		{"/checkout/x", "/checkout", true, true},
		{"/checkouts", "/checkout", true, false},
		{"/check", "/checkout", true, false},
		{"/Checkout", "/checkout", true, false},
		{"/%63heckout", "/checkout", true, false},
		{"/", "/", true, true},
		{"/x", "/", true, true},
		{"*", "/", true, false},
		{"", "/", true, false},
		{"/", "/", false, true},
		{"/x", "/", false, false},
		{"", "/", false, false},
	} {
		p := pathPattern{path: tt.pattern, prefix: tt.prefix}
		if got := p.matches([]byte(tt.path)); got != tt.want {
			t.Errorf("path %q matches %q (prefix: %v): %v, want %v", tt.path, tt.pattern, tt.prefix, got, tt.want)
		}
	}
}

// naiveCookies reads cookies as section 5.4 of RFC 6265 writes them, with nothing
// but package strings.
func naiveCookies(s string) (pairs []pair) {
	for part := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			continue
		}
		name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
		if after, ok := strings.CutPrefix(value, `"`); ok && strings.HasSuffix(after, `"`) {
			value = strings.TrimSuffix(after, `"`)
		}
		pairs = append(pairs, pair{name, value})
	}
	return pairs
}

// naiveParameters reads a query with package net/url, which refuses wrong
// percent-encoding where forms leave it as it is: it is made right first.
func naiveParameters(s string) (pairs []pair) {
	for part := range strings.SplitSeq(s, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		pairs = append(pairs, pair{naiveDecode(name), naiveDecode(value)})
	}
	return pairs
}

func naiveDecode(s string) string {
	var right strings.Builder
	for i := range len(s) {
		right.WriteByte(s[i])
		if s[i] != '%' {
			continue
		}
		if _, err := url.QueryUnescape(s[i:min(i+3, len(s))]); err != nil {
			right.WriteString("25")
		}
	}
	decoded, err := url.QueryUnescape(right.String())
	if err != nil {
		panic(err)
	}
	return decoded
}

func FuzzCookies(f *testing.F) {
	for _, s := range []string{"", "a=1; uid=jack", `uid="a"; uid`, "=;;=", strings.Repeat("a=b;", 1000), "uid=\x00", `"="="`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := cookiesOf(s), naiveCookies(s); !slices.Equal(got, want) {
			t.Errorf("cookies of %q = %q, want %q", s, got, want)
		}
	})
}

func FuzzParameters(f *testing.F) {
	for _, s := range []string{"", "a=1&uid=jack", "u%69d=+&&=", "%%%41%4", strings.Repeat("a=b&", 1000), "uid=%00%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := parametersOf(s), naiveParameters(s); !slices.Equal(got, want) {
			t.Errorf("parameters of %q = %q, want %q", s, got, want)
		}
	})
}

// TestPlacesOfModel compares hosts and paths with readers that say the meaning in
// other words.
func TestPlacesOfModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		host := rapid.StringMatching(`(A|a|\.|-|1){0,6}`).Draw(rt, "host")
		pattern := rapid.StringMatching(`(\*\.)?(a|\.|-|1){1,4}`).Draw(rt, "pattern")
		name, suffix := strings.CutPrefix(pattern, "*")
		want := strings.EqualFold(host, pattern)
		if suffix {
			want = strings.HasSuffix(strings.ToLower(host), name) && len(host) > len(name)
		}
		if got := (&hostPattern{name, suffix}).matches(hostOf([]byte(host + rapid.SampledFrom([]string{"", ":80"}).Draw(rt, "port")))); got != want {
			rt.Fatalf("host %q matches %q: %v, want %v", host, pattern, got, want)
		}
		path := rapid.StringMatching(`(/|/a|b|%2F){0,5}`).Draw(rt, "path")
		prefix := rapid.StringMatching(`(/a|/b|/ab){1,2}|/`).Draw(rt, "prefix")
		want = slices.Equal(strings.Split(path, "/")[:min(len(strings.Split(prefix, "/")), len(strings.Split(path, "/")))], strings.Split(prefix, "/")) ||
			prefix == "/" && strings.HasPrefix(path, "/")
		if got := (&pathPattern{prefix, true}).matches([]byte(path)); got != want {
			rt.Fatalf("path %q begins with %q: %v, want %v", path, prefix, got, want)
		}
	})
}

func TestReadersAllocateNothing(t *testing.T) {
	cookie, query := bytes.Repeat([]byte(`name="value"; `), 300), bytes.Repeat([]byte("n%61me=v+alue&"), 300)
	dst := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		for rest := cookie; ; {
			_, _, after, ok := nextCookie(rest)
			if !ok {
				break
			}
			rest = after
		}
		for rest := query; ; {
			_, value, after, ok := nextParameter(rest)
			if !ok {
				break
			}
			dst, rest = appendDecoded(dst[:0], value), after
		}
	}); n != 0 {
		t.Errorf("reading cookies and parameters allocates %v times, want 0", n)
	}
}

// FuzzRequest compares the keys of a request with what the naive readers find first.
func FuzzRequest(f *testing.F) {
	f.Add("a=1; uid=jack", "uid=bob", "/x?u%69d=7&uid=8")
	f.Add("uid", "", "?&=&uid&uid=%")
	f.Add(`uid=" "; uid=x`, "\x00", "/#?uid=1")
	table := mustLoad(f, "rules:\n- {keys: [{query: uid}, {cookie: uid}, {query: a-b}, {cookie: x}], tagHeader: tag, policies: [{range: 50, tagValue: on}]}\n")
	r := table.NewRequest()
	f.Fuzz(func(t *testing.T, first, second, path string) {
		said := ask(table, r, pair{"cookie", first}, pair{"cookie", second}, pair{":path", path})
		before, _, _ := strings.Cut(path, "#")
		_, query, _ := strings.Cut(before, "?")
		cookies, parameters := append(naiveCookies(first), naiveCookies(second)...), naiveParameters(query)
		taken := ""
		for i, k := range table.Keys() {
			pairs := cookies
			if k.Source == KeyQuery {
				pairs = parameters
			}
			want := ""
			if at := slices.IndexFunc(pairs, func(p pair) bool { return p.name == k.Name }); at >= 0 {
				want = strings.Trim(pairs[at].value, " \t")
			}
			if got := string(r.Key(i)); got != want {
				t.Fatalf("%s of %q, %q and %q is %q, want %q", k, first, second, path, got, want)
			}
			if taken == "" {
				taken = want
			}
		}
		if none := said[0] == "no_key -"; none != (taken == "") {
			t.Fatalf("%q of %q, %q and %q, where the key is %q", said, first, second, path, taken)
		}
	})
}
