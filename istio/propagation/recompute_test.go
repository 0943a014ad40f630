package propagation

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/rules"
)

// recomputedByLua returns what is printed for the rules of a table.
func recomputedByLua(t testing.TB, table *rules.Table) []*hcmv3.HttpFilter {
	t.Helper()
	object, err := Recompute(table, Options{DataPath: Lua})
	return decode(t, written(t, object, err)).outbound
}

// recomputed is the reference for recompute: what the processor does with headers
// of the rules, where tags are trusted.
func recomputed(table *rules.Table, request []header) []header {
	table, _ = table.At(time.Now())
	r := table.NewRequest()
	for i, name := range table.Inputs() {
		for _, h := range request {
			if h.name == name {
				r.SetHeader(i, []byte(h.value))
			}
		}
	}
	out := slices.Clone(request)
	for _, d := range table.Match(r) {
		if !d.Writes() {
			continue
		}
		tag := table.Tags()[d.Tag]
		if !slices.ContainsFunc(out, func(h header) bool { return h.name == tag.Header }) {
			out = append(out, header{tag.Header, tag.Value})
		}
	}
	return out
}

// TestRecompute checks that both data paths, on both releases of Envoy, decide as
// rules.Table.Match, for random rules and keys, and that restored baggage wins: in
// Lua with restore in the same chain, before or behind.
func TestRecompute(t *testing.T) {
	envoytest.Each(t, testRecompute)
}

// tables is how many random tables there are, each at listeners of its own.
const tables = 24

func testRecompute(t *testing.T, binary string) {
	t.Helper()
	t.Parallel()
	rng := rand.New(rand.NewPCG(*seed, 2))
	var clusters []*clusterv3.Cluster
	var generated []generatedRules
	listeners := map[string][]*hcmv3.HttpFilter{}
	for i := range tables {
		g := generateRules(t, rng)
		recompute, restore := recomputedByLua(t, g.table), propagated(t, g.table.Propagated()).outbound
		generated = append(generated, g)
		listeners[fmt.Sprint(i)] = recompute
		listeners[fmt.Sprint(i, "-behind")] = slices.Concat(restore, recompute)
		listeners[fmt.Sprint(i, "-before")] = slices.Concat(recompute, restore)
		object, err := Recompute(g.table, Options{DataPath: ExtProc, Address: serve(t, g.table)})
		asked := decode(t, written(t, object, err)).asked(t, fmt.Sprint("tagproc-", i))
		listeners[fmt.Sprint(i, "-asked")], clusters = asked.outbound, append(clusters, asked.cluster)
	}
	s := startSidecar(t, binary, listeners, clusters...)
	sent, tagged := 0, 0
	for i, g := range generated {
		for range many(100) {
			lines := g.request(rng)
			if rng.IntN(3) == 0 {
				lines = append(lines, "baggage: tag-a=v%21,tag-b=%0d,tag-c=v")
			}
			derived := recomputed(g.table, parse(lines))
			sent++
			if len(derived) > len(lines) {
				tagged++
			}
			for listener, travels := range map[string]rules.Owned{
				"": {},
				pick(rng, "-behind", "-before", "-asked"): g.table.Propagated(),
			} {
				listener, want := fmt.Sprint(i, listener), restored(travels, derived)
				got, err := s.send(t, listener, lines)
				if err != nil {
					t.Fatalf("seed %d, at %s: %.1000q: %v", *seed, listener, lines, err)
				}
				if got, want := relevant(got, everything), relevant(want, everything); !slices.Equal(got, want) {
					t.Fatalf("seed %d, at %s: of\n%.1000q\nthe application is sent\n%.1000q, want\n%.1000q, by the rules\n%s", *seed, listener, lines, got, want, g.src)
				}
			}
		}
	}
	if tagged < sent/3 || tagged > sent*9/10 {
		t.Errorf("%d of %d requests are tagged, so that little is tested", tagged, sent)
	}
}

// generatedRules are rules and what to ask them.
type generatedRules struct {
	src   string
	table *rules.Table
	named []string // users
}

var (
	keys    = []string{"x-user-id", "x-tenant", "X-Odd!#$%&'*+.^_`|~"}
	cookies = []string{"uid", "u-1"}
)

func generateRules(t *testing.T, rng *rand.Rand) (g generatedRules) {
	t.Helper()
	var list []any
	for i := range 1 + rng.IntN(6) {
		modulo := pick(rng, 1, 2, 7, 100, 100, 1000, 999_983, 1_000_000)
		var policies []any
		for range 1 + rng.IntN(4) {
			from := pick(rng, 0, rng.IntN(modulo+1))
			policy := map[string]any{"from": from, "range": from + rng.IntN(modulo+1-from), "tagValue": pick(rng, "s1", "s2", `"`, `\`, `\"]]--`, "%d%s", "{{.}}", strings.Repeat("~", 256))}
			if rng.IntN(5) == 0 { // steps that began, and one that is to come
				var steps []any
				for i, off := range []time.Duration{-300 * time.Hour, -2 * time.Hour, -time.Hour, 5 * time.Hour} {
					steps = append(steps, map[string]any{"at": time.Now().Add(off).Format(time.RFC3339Nano), "range": from + (modulo-from)*(i+1)/4})
				}
				delete(policy, "range")
				policy["ramp"] = steps[:1+rng.IntN(4)]
			}
			policies = append(policies, policy)
		}
		rule := map[string]any{
			"name": fmt.Sprint(pick(rng, "checkout", "[[", "[==[", "]]--[[", "\\", "%", "{{.}}"), i),
			"keys": generateKeys(rng), "tagHeader": pick(rng, "tag-a", "tag-b", "tag-c", "Tag!#$%&'*+.^_`|~"),
			"modulo": modulo, "mode": pick(rng, "enforce", "enforce", "enforce", "enforce", "shadow", "off"),
		}
		if rng.IntN(3) == 0 {
			rule["hash"] = "xxh3"
			if rng.IntN(3) > 0 {
				rule["salt"] = pick(rng, "spring-launch", "é", "]]")
			}
		}
		if rng.IntN(4) == 0 {
			rule["partitions"] = []any{map[string]any{"partitionSize": modulo / 3, "tagValue": "p1"}, map[string]any{"partitionSize": modulo / 2, "tagValue": "p2"}}
		} else {
			rule["policies"] = policies
		}
		if rng.IntN(3) == 0 {
			conditions := []any{map[string]any{"name": "x-tenant", "present": rng.IntN(3) > 0}}
			if rng.IntN(2) == 0 {
				conditions = append(conditions, map[string]any{"name": "X-Beta", "exact": pick(rng, "1", `"\`, "b c")})
			}
			rule["match"] = map[string]any{"headers": conditions[rng.IntN(len(conditions)):]}
		}
		if rng.IntN(2) == 0 {
			values := map[string]bool{}
			for range 1 + rng.IntN(5) {
				values[generateUser(rng)] = true
			}
			var users []string
			for v := range values {
				users = append(users, v)
			}
			slices.Sort(users)
			half := rng.IntN(len(users) + 1)
			var overrides []any
			if half > 0 {
				overrides = append(overrides, map[string]any{"values": users[:half], "tagValue": pick(rng, "named", `'"\`)})
			}
			if half < len(users) {
				overrides = append(overrides, map[string]any{"values": users[half:], "none": true})
			}
			if rng.IntN(3) == 0 {
				overrides[0].(map[string]any)["key"] = rule["keys"].([]any)[0]
			}
			rule["overrides"] = overrides
			g.named = append(g.named, users...)
		}
		list = append(list, rule)
	}
	// One that is enforced for certain.
	list = append(list, map[string]any{"header": "x-user-id", "tagHeader": "tag-z", "policies": []any{map[string]any{"range": 50, "tagValue": "z"}}})
	src, err := json.Marshal(map[string]any{"rules": list, "propagation": map[string]any{"headers": []string{"tag-a", "tag-b"}}})
	if err != nil {
		t.Fatal(err)
	}
	g.src, g.table = string(src), load(t, string(src))
	return g
}

// generateKeys returns one to three keys that hops have.
func generateKeys(rng *rand.Rand) []any {
	var all []any
	for _, name := range keys {
		all = append(all, map[string]any{"header": name})
	}
	for _, name := range cookies {
		all = append(all, map[string]any{"cookie": name})
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:pick(rng, 1, 1, 2, 3)]
}

// generateCookies returns the value of a header.
func (g *generatedRules) generateCookies(rng *rand.Rand) string {
	var b strings.Builder
	for range rng.IntN(5) {
		id := fmt.Sprint("user-", rng.IntN(1_000_000))
		if len(g.named) > 0 && rng.IntN(3) == 0 {
			id = pick(rng, g.named...)
		}
		b.WriteString(pick(rng, "", "", " ", "\t ") + pick(rng, "uid", "uid", "UID", "u-1", "other", "", "xuid") + pick(rng, "=", "=", "=", " = ", "", "==") +
			pick(rng, id, id, `"`+id+`"`, `" `+id+`"`, `"`, `""`, "", "%41", `"`+id) + pick(rng, ";", "; ", ";", " ;", ";;", ""))
	}
	return b.String()
}

// generateUser returns an id of a user as rules may have it: UTF-8, without control
// characters and blanks around it.
func generateUser(rng *rand.Rand) string {
	var b strings.Builder
	for range 1 + rng.IntN(6) {
		b.WriteString(pick(rng, "a", "B", "7", "-", `"`, `\`, "'", "]]", "[[", "--", `\n`, `\"`, "%", "${x}", "{{", "}}", "é", "→", "\U0001f600", "\u00a0", "a b", "\u2028", "=", ",", ";", "#", ":", "|", ">"))
	}
	return b.String()
}

// request returns the lines of a request with keys, and perhaps with tags.
func (g *generatedRules) request(rng *rand.Rand) (lines []string) {
	for _, k := range keys {
		for range pick(rng, 0, 1, 1, 1, 1, 2) {
			var id string
			switch rng.IntN(9) {
			case 0:
			case 1:
				b := make([]byte, 1+rng.IntN(40))
				for i := range b {
					b[i] = byte('!' + rng.IntN(256-'!'))
					if b[i] == 0x7f {
						b[i] = 0xff
					}
				}
				id = string(b)
			case 2:
				id = strings.Repeat(generateUser(rng), 200)
			case 3, 4:
				if len(g.named) > 0 {
					id = pick(rng, g.named...)
				}
			case 5:
				id = generateUser(rng)
			case 6:
				id = strings.Repeat("0123456789abcdef", 150)[:1+rng.IntN(pick(rng, 20, 300, 2400))]
			default:
				id = fmt.Sprintf("%s%d", pick(rng, "", "user-", "0"), rng.IntN(1_000_000))
			}
			lines = append(lines, k+": "+id)
		}
	}
	for range pick(rng, 0, 1, 1, 1, 2) {
		lines = append(lines, pick(rng, "cookie: ", "Cookie: ")+g.generateCookies(rng))
	}
	for range pick(rng, 0, 1, 1, 2) {
		lines = append(lines, "x-beta: "+pick(rng, "1", "1", `"\`, "b c", "", "2"))
	}
	if rng.IntN(3) == 0 {
		lines = append(lines, pick(rng, "tag-a: sent", "Tag-B: sent", "tag-c:"))
	}
	return lines
}

// TestManyUsers checks that Envoy takes rules that name very many users.
func TestManyUsers(t *testing.T) {
	envoytest.Each(t, testManyUsers)
}

func testManyUsers(t *testing.T, binary string) {
	t.Helper()
	t.Parallel()
	users := many(7_000) // in the long form more than LuaJIT allows constants in a function
	var b strings.Builder
	b.WriteString("rules: [{header: x-user-id, tagHeader: tag-a, policies: [{range: 0, tagValue: s2}], overrides: [{tagValue: s2, values: [")
	for i := range users {
		fmt.Fprintf(&b, "user-%d-of-very-many,", i)
	}
	b.WriteString("]}]}]")
	table := load(t, b.String())
	if got := RecomputeWarnings(table, Lua); len(got) != 1 || !strings.Contains(got[0], "KiB of Lua") {
		t.Errorf("RecomputeWarnings = %q, want one about the size", got)
	}
	s := startSidecar(t, binary, map[string][]*hcmv3.HttpFilter{"recompute": recomputedByLua(t, table)})
	for _, user := range []string{"user-0-of-very-many", fmt.Sprintf("user-%d-of-very-many", users-1), "user-x"} {
		lines := []string{"x-user-id: " + user}
		got, err := s.send(t, "recompute", lines)
		if want := recomputed(table, parse(lines)); err != nil || !slices.Equal(relevant(got, everything), relevant(want, everything)) {
			t.Errorf("of %q the application is sent %q, %v; want %q", lines, got, err, want)
		}
	}
}

func TestRecomputeRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, src, want string }{
		{"nothing", "rules: []", "no rule is enforced"},
		{"nothing enforced", "rules: [{header: h, tagHeader: t, mode: shadow, policies: [{range: 1, tagValue: v}]}, {header: h, tagHeader: t, mode: off, policies: [{range: 1, tagValue: v}]}]", "no rule is enforced"},
		{
			"what only the gateway sees", "rules: [{name: a, keys: [{query: q}, {visitor: {cookie: v}}], tagHeader: a, policies: [{range: 1, tagValue: v}]}, {name: b, match: {hosts: [a.example]}, header: h, tagHeader: b, policies: [{range: 1, tagValue: v}]}, {name: c, match: {paths: [{exact: /}]}, header: h, tagHeader: c, policies: [{range: 1, tagValue: v}]}]",
			"rule a has the key query q, which requests between applications do not have; let its tags travel instead: tagproc render propagation\n" +
				"rule a has the key visitor v, which the gateway alone gives; let its tags travel instead: tagproc render propagation\n" +
				"rule b matches hosts, and requests between applications have others; let its tags travel instead: tagproc render propagation\n" +
				"rule c matches paths, and requests between applications have others; let its tags travel instead: tagproc render propagation",
		},
	} {
		for _, path := range []DataPath{Lua, ExtProc} {
			if _, err := Recompute(load(t, c.src), Options{DataPath: path, Address: "unix:///x"}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%s: Recompute by %s = %v, want %q", c.name, path, err, c.want)
			}
		}
	}
	xxh3 := load(t, "rules: [{header: h, tagHeader: t, hash: xxh3, policies: [{range: 1, tagValue: v}]}]")
	if _, err := Recompute(xxh3, Options{}); err == nil {
		t.Error("Recompute takes options that say nothing")
	}
}

// TestRecomputeBlanks checks that both data paths leave out blanks around a key, which
// Envoy does over HTTP/1.1 alone.
func TestRecomputeBlanks(t *testing.T) {
	envoytest.Each(t, func(t *testing.T, binary string) {
		t.Helper()
		t.Parallel()
		table := load(t, `rules: [{header: x-user-id, tagHeader: tag-a, overrides: [{values: [bob], tagValue: s9}], policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}]`)
		object, err := Recompute(table, Options{DataPath: ExtProc, Address: serve(t, table)})
		asked := decode(t, written(t, object, err)).asked(t, "tagproc")
		s := startSidecar(t, binary, map[string][]*hcmv3.HttpFilter{"lua": recomputedByLua(t, table), "asked": asked.outbound}, asked.cluster)
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		defer transport.CloseIdleConnections()
		for _, listener := range []string{"lua", "asked"} {
			for key, want := range map[string]string{
				"jack": "s2", " jack": "s2", "jack ": "s2", "jack\t": "s2", " \tjack\t ": "s2",
				"bob ": "s9", "\tbob": "s9", "ja ck ": "s2",
				"": "", " ": "", "\t": "", strings.Repeat(" \t", 20_000): "", "a" + strings.Repeat(" ", 40_000) + "b ": "s1",
			} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.listeners[listener], http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				r.Header["x-user-id"] = []string{key}
				response, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				var report echo.Report
				err = json.NewDecoder(response.Body).Decode(&report)
				response.Body.Close()
				got := report.Headers["tag-a"]
				if err != nil || len(got) > 1 || (len(got) == 1) != (want != "") || len(got) == 1 && string(got[0]) != want {
					t.Errorf("%s: %.20q has the tag %q, %v, want %q", listener, key, got, err, want)
				}
			}
		}
	})
}
