package processor

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tagproc/tagproc/contract"
)

// crowds are requests of n headers each, meant to cost much.
var crowds = map[string]func(n int) [][2]string{
	"empty":  func(n int) [][2]string { return make([][2]string, n) },
	"strays": func(n int) [][2]string { return numbered(n, "appver-%d", "1") },
	"members": func(n int) [][2]string {
		return append(numbered(n, "appver-%d", "1"), numbered(n, "baggage", "appver-%d=1")...)
	},
	"baggage": func(n int) [][2]string { return numbered(n, "baggage", "appver-%d=1") },
	"forged":  func(n int) [][2]string { return numbered(n, "x_asm_prefer_tag", "%d") },
	"keys":    func(n int) [][2]string { return numbered(n, "x-user-id", " %d ") },
	"cookies": func(n int) [][2]string { return numbered(n, "cookie", "uid =1; a%d=b") },
	"pairs":   func(n int) [][2]string { return [][2]string{{"cookie", strings.Repeat("uid =1; ui=; ", n)}} },
	"paths":   func(n int) [][2]string { return numbered(n, ":path", "/%d/?uid=") },
	"query":   func(n int) [][2]string { return [][2]string{{":path", "/?" + strings.Repeat("ui=1&u%69d=&", n)}} },
	"escapes": func(n int) [][2]string { return [][2]string{{":path", "/?" + strings.Repeat("%75", n) + "=1"}} },
}

// looking are rules that look for keys everywhere, and into paths, beside those of
// travelling.
const looking = travelling + `
- {name: looking, match: {hosts: ["*.example.com"], paths: [{prefix: /a}]}, keys: [{cookie: uid}, {query: uid}], tagHeader: appver-c, policies: [{range: 100, tagValue: v2}]}
- {name: everywhere, keys: [{header: x-id}, {cookie: uid}, {query: uid}, {visitor: {}}], tagHeader: appver-c, policies: [{range: 100, tagValue: v2}]}
`

func numbered(n int, name, value string) (headers [][2]string) {
	number := func(format string, i int) string {
		if strings.Contains(format, "%d") {
			return fmt.Sprintf(format, i)
		}
		return format
	}
	for i := range n {
		headers = append(headers, [2]string{number(name, i), number(value, i)})
	}
	return headers
}

// crowded is where the whole of a crowd is looked into: limits that are no limits.
func crowded(t testing.TB) *plan {
	t.Helper()
	p := New(Options{Limits: Limits{MaxHeaders: 1 << 20, MaxHeaderBytes: 1 << 30}})
	p.SetTable(load(t, looking))
	return p.plan.Load()
}

// BenchmarkCrowd answers crowds of headers in each direction: what it costs per byte
// has to stay the same.
func BenchmarkCrowd(b *testing.B) {
	p := crowded(b)
	for _, kind := range []string{"empty", "strays", "members", "baggage"} {
		for d := range contract.UnknownDirection {
			for _, n := range []int{1000, 10_000, 100_000} {
				b.Run(fmt.Sprintf("%s/%s/%d", kind, d, n), func(b *testing.B) {
					msg, sc := encodeHeaders(crowds[kind](n), false), newScratch(p)
					b.SetBytes(int64(len(msg)))
					var dst []byte
					for b.Loop() {
						dst = answerOnce(p, sc, d, dst, msg)
					}
				})
			}
		}
	}
}

func answerOnce(p *plan, sc *scratch, d contract.Direction, dst, msg []byte) []byte {
	sc.request.read(msg)
	dst, _ = p.answer(dst[:0], sc, d)
	sc.reset()
	return dst
}

// TestCostIsLinear checks that a byte costs about the same in a large message as in a
// small one. What is quadratic costs 32 times as much, and never less, however often
// it is measured; a machine that is busy is not busy for ever.
func TestCostIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures, which takes seconds; run without -short")
	}
	const small, times, most = 2000, 32, 10
	p := crowded(t)
	for kind, crowd := range crowds {
		for d := range contract.UnknownDirection {
			messages := [2][]byte{encodeHeaders(crowd(small), false), encodeHeaders(crowd(small*times), false)}
			cost := [2]time.Duration{1 << 62, 1 << 62} // the least that was seen, for as many bytes
			ratio := func() float64 {
				perByte := func(i int) float64 { return float64(cost[i]) / float64(len(messages[i])) }
				return perByte(1) / perByte(0)
			}
			scratches := [2]*scratch{newScratch(p), newScratch(p)}
			deadline := time.Now().Add(time.Minute)
			for runs := 0; runs < 3 || ratio() > most; runs++ {
				if time.Now().After(deadline) {
					t.Errorf("%s, %s: a byte costs %.1f times as much among %d headers as among %d: %v and %v", kind, d, ratio(), small*times, small, cost[1], cost[0])
					break
				}
				for i, msg := range messages {
					start := time.Now()
					answerOnce(p, scratches[i], d, nil, msg)
					cost[i] = min(cost[i], time.Since(start))
				}
			}
		}
	}
}

// TestTooMany checks that of a message with more headers than Envoy sends only as many
// are kept as it may send, and that none of them counts.
func TestTooMany(t *testing.T) {
	p := New(Options{})
	p.SetTable(load(t, travelling))
	pl := p.plan.Load()
	for kind, crowd := range crowds {
		msg := encodeHeaders(append([][2]string{{"x-user-id", "jessie"}, {"appver-a", "1"}, {"baggage", "appver-b=1"}}, crowd(50_000)...), false)
		for d := range contract.UnknownDirection {
			sc := newScratch(pl)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			sc.request.read(msg)
			reply, o := pl.answer(nil, sc, d)
			runtime.ReadMemStats(&after)
			if !slices.Equal(reply, emptyReplies[requestHeaders]) || o != overLimits {
				t.Errorf("%s, %s: the reply is %d bytes, the outcome %s, want no change and over_limits", kind, d, len(reply), outcomeNames[o])
			}
			if made := after.TotalAlloc - before.TotalAlloc; made > 64<<10 {
				t.Errorf("%s, %s: %d bytes of memory are made for a message of %d", kind, d, made, len(msg))
			}
		}
	}
	for n, want := range map[int]outcome{contract.DefaultMaxHeaders - 3: tagged, contract.DefaultMaxHeaders + spareHeaders + 1: overLimits} {
		sc := newScratch(pl)
		sc.request.read(encodeHeaders(append(numbered(n-1, "h-%d", ""), [2]string{"x-user-id", "jessie"}), false))
		if _, o := pl.answer(nil, sc, contract.Gateway); o != want {
			t.Errorf("with %d headers the outcome is %s, want %s", n, outcomeNames[o], outcomeNames[want])
		}
	}
	sc := newScratch(pl)
	sc.request.read(encodeHeaders([][2]string{{"x-user-id", "jessie"}, {"appver-a", strings.Repeat("x", contract.DefaultMaxHeaderKB<<10+spareBytes)}}, false))
	if _, o := pl.answer(nil, sc, contract.Gateway); o != overLimits {
		t.Errorf("with more bytes than Envoy sends the outcome is %s, want over_limits", outcomeNames[o])
	}
}

// FuzzCost checks that a byte of any headers costs about the same in a message of many as
// in one of few: 64 copies of them cost at most 16 times as much per byte as one copy.
// What is quadratic costs 64 times as much. The least of many measurements counts, so that
// a busy machine does not.
func FuzzCost(f *testing.F) {
	for _, crowd := range crowds {
		for d := range contract.UnknownDirection {
			f.Add(byte(d), headerMap(crowd(100)))
		}
	}
	p := crowded(f)
	f.Fuzz(func(t *testing.T, direction byte, headers []byte) {
		const copies, most = 64, 16
		if len(headers) == 0 || len(headers) > 16<<10 {
			return
		}
		d := contract.Direction(direction) % contract.UnknownDirection
		messages := [2][]byte{headersMessage(headers), headersMessage(slices.Repeat(headers, copies))}
		scratches := [2]*scratch{newScratch(p), newScratch(p)}
		cost := [2]time.Duration{1 << 62, 1 << 62}
		for deadline := time.Now().Add(10 * time.Second); cost[1] > most*copies*max(cost[0], time.Microsecond); {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d copies of %d bytes cost %v, one costs %v", d, copies, len(headers), cost[1], cost[0])
			}
			for i, msg := range messages {
				start := time.Now()
				answerOnce(p, scratches[i], d, nil, msg)
				cost[i] = min(cost[i], time.Since(start))
			}
		}
	})
}

// headerMap returns a HeaderMap of headers, and headersMessage a ProcessingRequest with
// the headers of one.
func headerMap(headers [][2]string) (m []byte) {
	for _, h := range headers {
		var e []byte
		e = protowire.AppendString(protowire.AppendTag(e, 1, protowire.BytesType), h[0])
		e = protowire.AppendString(protowire.AppendTag(e, 3, protowire.BytesType), h[1])
		m = protowire.AppendBytes(protowire.AppendTag(m, 1, protowire.BytesType), e)
	}
	return m
}

func headersMessage(headerMap []byte) []byte {
	m := protowire.AppendBytes([]byte{0x0a}, headerMap) // HttpHeaders.headers
	return protowire.AppendBytes([]byte{byte(requestHeaders)<<3 | byte(protowire.BytesType)}, m)
}
