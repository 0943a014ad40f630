package differential

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/tagproc/tagproc/internal/echo"
)

// Envoy's default limits, which a plain listener has.
const (
	plainHeaders = 100
	plainBytes   = 60 << 10
)

// A generator makes up requests.
type generator struct{ *rand.Rand }

// generate returns the request of a seed and an index, always the same.
func generate(seed, index uint64) *request {
	g := generator{rand.New(rand.NewPCG(seed, index))}
	r := &request{
		Protocol:  pick(g, http1, http2),
		Method:    pick[echo.Bytes](g, "GET", "GET", "GET", "GET", "GET", "POST", "POST", "POST", "PUT", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PURGE"),
		Path:      pick[echo.Bytes](g, "/", "/", "/", "/a/b?c=d&e=f", "//a//../b/.", "/a%2fb%20?%2e=&&", "/;a=b,c", "/?", "/~!$'()*+:@"),
		Authority: pick[echo.Bytes](g, "mocka", "mocka", "app-a", "app-a", "app-a:80", "APP-A", "localhost:10000", "[::1]:1", "a_b"),
	}
	g.body(r)
	if g.chance(2) {
		g.twist(r)
	}
	g.answer(r)
	r.Headers = append(g.keys(r), g.forged()...)
	if g.chance(10) {
		r.Headers = append(r.Headers, field{Name: "te", Value: "trailers"}) // net/http refuses a second one
	}
	g.extent(r)
	g.Shuffle(len(r.Headers), func(i, j int) { r.Headers[i], r.Headers[j] = r.Headers[j], r.Headers[i] })
	return r
}

// twist gives the request a path or an authority that Envoy or the upstream refuses.
// That is seldom, since Envoy takes a second to close a connection for it. And such a
// request has no body, since the upstream's HTTP/2 ends the connection, with what others
// have on it, when trailers follow what it refused.
func (g generator) twist(r *request) {
	if g.chance(50) {
		r.Path = pick[echo.Bytes](g, "/\xc3\xbc\xff", "/%00", "/a#b", "*", "http://app-a/absolute", "a", "/a b")
	} else {
		r.Authority = pick[echo.Bytes](g, "", "a b", "a@b", "\xff", "a:b:c")
	}
	r.Body, r.Chunk, r.Trailers, r.Expect = 0, 0, nil, false
}

// pick returns one of all; one that is in all twice is twice as likely.
func pick[T any](g generator, all ...T) T { return all[g.IntN(len(all))] }

func (g generator) chance(percent int) bool { return g.IntN(100) < percent }

// body gives the request a body: often none, seldom a big one, and now and then one
// at the edge of a buffer.
func (g generator) body(r *request) {
	switch n := g.IntN(1000); {
	case n < 500:
	case n < 800:
		r.Body = g.Int64N(2000)
	case n < 900:
		r.Body = pick[int64](g, 1<<14, 1<<16, 1<<20) - 1 + g.Int64N(3)
	case n < 995:
		r.Body = g.Int64N(300_000)
	default:
		r.Body = 10<<20 - g.Int64N(2)
	}
	if g.chance(40) {
		r.Chunk = max(1+g.IntN(40_000), int(r.Body/200))
		if g.chance(40) {
			for i := range 1 + g.IntN(4) {
				r.Trailers = append(r.Trailers, field{Name: pick[echo.Bytes](g, "x-trailer", "x-user-id", "x-asm-prefer-tag", echo.Bytes(fmt.Sprint("x-", i))), Value: g.value()})
			}
		}
	}
	r.Expect = r.Body > 0 && g.chance(15)
	if r.Protocol == http1 {
		r.Close = g.chance(10)
		if !r.Close && r.Body < 2000 && g.chance(10) {
			r.Copies = 2 + g.IntN(4)
		}
	}
}

func (g generator) answer(r *request) {
	switch {
	case g.chance(1):
		r.Answer.Body = 10<<20 - g.Int64N(2)
	case g.chance(10):
		r.Answer.Body = g.Int64N(300_000)
	default:
		r.Answer.Body = g.Int64N(2000)
	}
	if g.chance(15) {
		r.Answer.Status = pick(g, 201, 204, 302, 304, 400, 404, 413, 431, 500, 503, 599)
	}
	if g.chance(10) {
		for i := range 1 + g.IntN(3) {
			r.Answer.Trailers = append(r.Answer.Trailers, field{Name: echo.Bytes(fmt.Sprint("x-late-", i)), Value: pick[echo.Bytes](g, "", "v", "v=w", "\xff")})
		}
	}
}

// keys returns what the client says of its user.
func (g generator) keys(r *request) []field {
	name := echo.Bytes("x-user-id")
	if r.Protocol == http1 {
		name = pick(g, name, "X-User-Id", "X-USER-ID")
	}
	if g.chance(10) {
		return nil
	}
	n := 1
	if g.chance(10) {
		n += 1 + g.IntN(3)
	}
	var keys []field
	for range n {
		keys = append(keys, field{Name: name, Value: g.user()})
	}
	if g.chance(5) {
		keys[0] = field{Name: name, Value: pick[echo.Bytes](g, "x", "ab", "\xfe"), Times: g.IntN(29_000)}
	}
	return keys
}

func (g generator) user() echo.Bytes {
	switch n := g.IntN(10); n {
	case 0:
		return pick[echo.Bytes](g, "jason", "Jason", "jason,bob", "")
	case 1:
		return g.value()
	default:
		return echo.Bytes(fmt.Sprintf("user-%d", g.IntN(10_000)))
	}
}

// forged returns tags that the client has no right to set.
func (g generator) forged() []field {
	if g.chance(60) {
		return nil
	}
	n := 1 + g.IntN(5)
	if g.chance(5) {
		n = 1 + g.IntN(plainHeaders)
	}
	var forged []field
	for i := range n {
		name := pick[echo.Bytes](g, "x-asm-prefer-tag", "appver-a", "appver-b", "appver", "appver-", echo.Bytes(fmt.Sprint("appver-", i)))
		forged = append(forged, field{Name: name, Value: pick(g, "s1", "s2", "v2", "", "\xff", "s2,s2", g.value())})
	}
	return forged
}

// extent adds other headers: a few, many, or as many as lead to the edge of a limit of
// the plain listener, or beyond it.
func (g generator) extent(r *request) {
	count, _ := r.size()
	switch n := g.IntN(100); {
	case n < 45:
		g.add(r, g.IntN(15))
	case n < 65:
		g.add(r, max(0, g.IntN(plainHeaders)-count))
	case n < 80:
		g.add(r, max(0, plainHeaders+1-g.IntN(10)-count))
	case n < 95:
		g.add(r, g.IntN(30))
		g.fill(r, plainBytes+10-g.IntN(400))
	case n < 98:
		g.add(r, plainHeaders+g.IntN(2*plainHeaders)/2)
	default:
		g.add(r, g.IntN(30))
		g.fill(r, plainBytes+g.IntN(plainBytes))
	}
}

// fill adds one or two long headers, or a long key, up to so many bytes in all.
func (g generator) fill(r *request, bytes int) {
	for _, name := range []echo.Bytes{pick[echo.Bytes](g, "x-long", "cookie", "x-user-id", "appver-long"), "x-longer"} {
		_, size := r.size()
		left := bytes - size - len(name)
		if left <= 0 {
			return
		}
		if name != "x-longer" && g.chance(50) {
			left /= 2
		}
		r.Headers = append(r.Headers, field{Name: name, Value: pick[echo.Bytes](g, "a", "\xfd"), Times: left})
	}
}

// add adds n headers, each well formed but one in some hundred.
func (g generator) add(r *request, n int) {
	for i := range n {
		f := g.common()
		if g.chance(60) {
			f = field{Name: echo.Bytes(fmt.Sprint("x-", g.IntN(2*i+2))), Value: g.value()}
		}
		if g.IntN(4000) == 0 {
			f = pick(g,
				field{Name: "x bad", Value: "v"}, field{Name: "", Value: "v"}, field{Name: "x-\xff", Value: "v"},
				field{Name: "x-nul", Value: "a\x00b"}, field{Name: "x-cr", Value: "a\rb"}, field{Name: "x-lf", Value: "a\nb"},
				field{Name: "x-user-id ", Value: "jack"}, field{Name: ":path", Value: "/late"}, field{Name: "host", Value: "other"},
				field{Name: "connection", Value: "upgrade"}, field{Name: "upgrade", Value: "websocket"}, field{Name: "te", Value: "gzip"})
		}
		if r.Protocol == http1 && g.chance(10) {
			f.Name = echo.Bytes(strings.ToUpper(string(f.Name)))
		}
		r.Headers = append(r.Headers, f)
	}
}

// common returns a header that gateways know, or that looks odd and is not.
func (g generator) common() field {
	return pick(g,
		field{Name: "accept", Value: "*/*"},
		field{Name: "accept-encoding", Value: "gzip, br"},
		field{Name: "authorization", Value: "Bearer abc.def.ghi"},
		field{Name: "baggage", Value: "userid=jack"},
		field{Name: "cache-control", Value: "no-cache"},
		field{Name: "content-type", Value: pick[echo.Bytes](g, "text/plain", "application/json", "application/grpc")},
		field{Name: "cookie", Value: pick[echo.Bytes](g, "a=b", "c=d; e=f", "user-id=jack", "")},
		field{Name: "forwarded", Value: "for=192.0.2.1"},
		field{Name: "if-none-match", Value: `"x"`},
		field{Name: "range", Value: "bytes=0-1"},
		field{Name: "referer", Value: "http://a/?b"},
		field{Name: "traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		field{Name: "user-agent", Value: "a"},
		field{Name: "via", Value: "1.1 b"},
		field{Name: "x-envoy-force-trace", Value: "1"},
		field{Name: "x-envoy-original-path", Value: "/x"},
		field{Name: "x-forwarded-for", Value: "192.0.2.1, 198.51.100.7"},
		field{Name: "x-forwarded-proto", Value: pick[echo.Bytes](g, "https", "http", "gopher")},
		field{Name: "x-http-method-override", Value: "PUT"},
		field{Name: "x-request-id", Value: pick[echo.Bytes](g, "f3b6fbcf-2b86-4ea3-8f4d-0d5a1d9fbb37", "mine")},
		field{Name: "x_user_id", Value: "jack"},
		field{Name: "x-user-id2", Value: "jack"},
		field{Name: "x-asm-prefer-tag-not", Value: "s2"},
		field{Name: "!#$%&'*+-.^_`|~", Value: "every sign"},
		field{Name: "1", Value: "2"},
		field{Name: "x", Value: "a", Times: 1 + g.IntN(300)},
	)
}

func (g generator) value() echo.Bytes {
	return pick[echo.Bytes](g, "", "v", "v", "a,b", "a b", `"quoted"`, "tab\tinside", " around ", "\xff", "\xfe\x80", "\xc3\xbc", "x=y; z", "0", "-1", "true", "null", "%00", "{}", "'", "\\", "𝄞")
}
