package propagation

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

// propagated returns what is printed where o travels.
func propagated(t testing.TB, o rules.Owned) printed {
	t.Helper()
	object, err := Propagation(&Scope{Name: "test", Headers: o}, Options{DataPath: Lua, Inbound: true})
	return decode(t, written(t, object, err))
}

// propagatedByTagproc returns the same by ext_proc, with a tagproc that is asked.
func propagatedByTagproc(t testing.TB, o rules.Owned) printed {
	t.Helper()
	table, problems := rules.Load("rules.yaml", []byte(`propagation: {headerPrefixes: [x-, appver]}
rules: [{header: x-user-id, tagHeader: appver-a, policies: [{range: 100, tagValue: not-asked-for}]}]`), rules.Options{TagHeaders: o})
	if table == nil {
		t.Fatal(problems.Err())
	}
	object, err := Propagation(&Scope{Name: "test", Headers: o}, Options{DataPath: ExtProc, Inbound: true, Address: serve(t, table)})
	return decode(t, written(t, object, err)).asked(t, fmt.Sprintf("tagproc %v", o))
}

// TestPropagation checks that both data paths, on both releases of Envoy, do what the
// package's documentation says: on the cases, and on generated requests what the
// references do.
func TestPropagation(t *testing.T) {
	envoytest.Each(t, testPropagation)
}

func testPropagation(t *testing.T, binary string) {
	t.Helper()
	t.Parallel()
	restore, collect := readCases(t, "restore.yaml"), readCases(t, "collect.yaml")
	restoring, collecting := propagatedByTagproc(t, restore.travels()), propagatedByTagproc(t, collect.travels())
	s := startSidecar(t, binary, map[string][]*hcmv3.HttpFilter{
		"restore-lua":      propagated(t, restore.travels()).outbound,
		"collect-lua":      propagated(t, collect.travels()).inbound,
		"restore-ext_proc": restoring.outbound,
		"collect-ext_proc": collecting.inbound,
	}, restoring.cluster, collecting.cluster)
	for _, d := range []struct {
		direction string
		cases     *caseFile
		reference func(rules.Owned, []header) []header
		is        func(name string) bool
	}{
		{"restore", restore, restored, restore.travels().Contains},
		{"collect", collect, collected, isBaggage},
	} {
		for _, path := range DataPaths() {
			listener := fmt.Sprintf("%s-%s", d.direction, path)
			for _, c := range d.cases.Cases {
				got, err := s.send(t, listener, c.Request)
				if err != nil {
					t.Errorf("%s, %s: %.200q: %v", listener, c.Name, c.Request, err)
				} else if lines := relevant(got, d.is); !slices.Equal(lines, c.Want) {
					t.Errorf("%s, %s: of %.200q the application is sent %.200q, want %.200q", listener, c.Name, c.Request, lines, c.Want)
				}
			}
			rng := rand.New(rand.NewPCG(*seed, 1))
			total, refused := many(1000), 0
			for range total {
				lines := generateRequest(rng)
				got, err := s.send(t, listener, lines)
				if errors.Is(err, errRefused) {
					refused++ // for control characters
					continue
				} else if err != nil {
					t.Fatalf("%s, seed %d: %.1000q: %v", listener, *seed, lines, err)
				}
				if got, want := relevant(got, everything), relevant(d.reference(d.cases.travels(), parse(lines)), everything); !slices.Equal(got, want) {
					t.Fatalf("%s, seed %d: of\n%.1000q\nthe application is sent\n%.1000q, want\n%.1000q", listener, *seed, lines, got, want)
				}
			}
			if refused > total/5 {
				t.Errorf("%s: Envoy refuses %d of %d requests, so that little is tested", listener, refused, total)
			}
		}
	}
}

// TestRoutes checks that routes see what a filter sets, although it stands before
// others: Envoy chooses the route again.
func TestRoutes(t *testing.T) {
	envoytest.Each(t, testRoutes)
}

func testRoutes(t *testing.T, binary string) {
	t.Helper()
	t.Parallel()
	elsewhere := load(t, "rules: [{header: x-user-id, tagHeader: appver-b, overrides: [{values: [bob], tagValue: elsewhere}], policies: [{range: 100, tagValue: here}]}]")
	s := startSidecar(t, binary, map[string][]*hcmv3.HttpFilter{
		"restore":   propagated(t, rules.Owned{Headers: []string{"appver-b"}}).outbound,
		"recompute": recomputedByLua(t, elsewhere),
	})
	for _, tt := range []struct {
		listener string
		line     string
		want     string // "": the application's
	}{
		{"restore", "baggage: appver-b=here", ""},
		{"restore", "baggage: appver-b=elsewhere", "refused by Envoy: 421 Misdirected Request"},
		{"recompute", "x-user-id: jack", ""},
		{"recompute", "x-user-id: bob", "refused by Envoy: 421 Misdirected Request"},
	} {
		got := ""
		if _, err := s.send(t, tt.listener, []string{tt.line}); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q is answered by %q, want %q", tt.listener, tt.line, got, tt.want)
		}
	}
}

// TestSpellings checks that sidecars remove tags in other spellings, whichever data path
// carries the tags, and nothing else.
func TestSpellings(t *testing.T) {
	envoytest.Each(t, testSpellings)
}

func testSpellings(t *testing.T, binary string) {
	t.Helper()
	t.Parallel()
	travels := rules.Owned{Headers: []string{"x-asm-prefer-tag"}, Prefixes: []string{"appver", "x-v."}}
	table := load(t, "rules: [{header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 100, tagValue: s1}]}]")
	asked := propagatedByTagproc(t, travels)
	restoring, err := PropagationExtensions(&Scope{Name: "test", Headers: travels, Selector: map[string]string{"app": "cart"}}, Options{DataPath: Lua})
	restored := inserted(t, restoring, err)
	deriving, err := RecomputeExtension(table, Options{DataPath: Lua, Selector: []string{"app=cart"}})
	derived := inserted(t, []*manifest.Object{deriving}, err)
	s := startSidecar(t, binary, map[string][]*hcmv3.HttpFilter{
		"lua":                 propagated(t, travels).outbound,
		"ext_proc":            asked.outbound,
		"recompute":           recomputedByLua(t, table),
		"extension":           restored,
		"extension-recompute": derived,
	}, asked.cluster)
	for listener, kept := range map[string][]string{
		"extension":           {"x-asm-prefer-tag: s1", "x-asm-prefer-tags: 1", "x-v.a: 1", "x_asm_prefer: 1", "x_other: 1"},
		"extension-recompute": {"x-asm-prefer-tag: s1", "x-asm-prefer-tags: 1", "x-v-a: s2", "x-v.a: 1", "x_asm_prefer: 1", "x_other: 1", "x_v_b: s2"},
		"lua":                 {"x-asm-prefer-tag: s1", "x-asm-prefer-tags: 1", "x-v.a: 1", "x_asm_prefer: 1", "x_other: 1"},
		"ext_proc":            {"x-asm-prefer-tag: s1", "x-asm-prefer-tags: 1", "x-v.a: 1", "x_asm_prefer: 1", "x_other: 1"},
		"recompute":           {"x-asm-prefer-tag: s1", "x-asm-prefer-tags: 1", "x-v-a: s2", "x-v.a: 1", "x_asm_prefer: 1", "x_other: 1", "x_v_b: s2"},
	} {
		lines := append(slices.Clone(kept), "x_asm_prefer_tag: s2", "X_Asm-Prefer-Tag: s2", "x-asm.prefer-tag: s2", "x-asm-prefer~tag: s2", "x-v-a: s2", "x_v_b: s2")
		slices.Sort(lines)
		got, err := s.send(t, listener, slices.Compact(lines))
		if err != nil {
			t.Fatal(err)
		}
		if lines := relevant(got, everything); !slices.Equal(lines, kept) {
			t.Errorf("%s: the application is sent %q, want %q", listener, lines, kept)
		}
	}
}

func everything(name string) bool { return name != "host" }

// generateRequest returns the lines of a request with odd baggage, and with headers
// that travel and others.
func generateRequest(rng *rand.Rand) (lines []string) {
	for range rng.IntN(3) {
		lines = append(lines, generateCase(rng, pick(rng, "appver-a", "appver-b", "x-asm-prefer-tag", "appver!", "x-other"))+": "+generateValue(rng))
	}
	for range rng.IntN(4) {
		var parts []string
		for range rng.IntN(pick(rng, 3, 3, 10, 80)) {
			parts = append(parts, generatePart(rng))
		}
		lines = append(lines, "Baggage: "+strings.Join(parts, ","))
	}
	if rng.IntN(20) == 0 {
		lines = append(lines, "baggage: x="+strings.Repeat("y", 8100+rng.IntN(100))+",appver-b=v2")
	}
	rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return lines
}

// generatePart returns what may stand between commas.
func generatePart(rng *rand.Rand) string {
	blank := func() string { return pick(rng, "", "", "", "", " ", "\t", "  \t ") }
	name := generateCase(rng, pick(rng, "appver-a", "appver-a", "appver-b", "appver", "x-asm-prefer-tag", "x-asm-prefer-tag", "userId", "appver%2Da", "appver b", "", "x"))
	if rng.IntN(10) == 0 {
		name += generateText(rng)
	}
	part := blank() + name + blank() + pick(rng, "=", "=", "=", "=", "=", "==", "", ";") + blank() + generateValue(rng) + blank()
	return part + pick(rng, "", "", "", ";", ";p=1", " ; p ; q=2")
}

func generateValue(rng *rand.Rand) string {
	if rng.IntN(2) == 0 {
		return pick(rng, "v1", "v2", "s2", "", "1", strings.Repeat("x", 250+rng.IntN(10)), strings.Repeat("%41", 250+rng.IntN(10)))
	}
	return generateText(rng)
}

// generateText returns a few characters. Most mean something to some reader of headers.
func generateText(rng *rand.Rand) string {
	var b strings.Builder
	for range rng.IntN(8) {
		switch rng.IntN(12) {
		case 0:
			fmt.Fprintf(&b, "%%%02x", rng.IntN(256))
		case 1:
			fmt.Fprintf(&b, "%%%02X", rng.IntN(128))
		case 2:
			b.WriteString(pick(rng, "%", "%4", "%g1", "%%41", "%2541", "%0d%0a", "%00"))
		case 3:
			b.WriteString(pick(rng, "é", "→", "\U0001f600", "\xff", "\x80", "\u00a0"))
		case 4:
			b.WriteByte(",;=% \t\"\\'+"[rng.IntN(10)])
		case 5:
			if rng.IntN(20) == 0 { // refused by Envoy, for most
				b.WriteByte(pick[byte](rng, 1, 7, 8, 11, 12, 27, 31, 127))
			}
		default:
			b.WriteByte(byte('!' + rng.IntN('~'-'!'+1)))
		}
	}
	return b.String()
}

// generateCase returns name in some case.
func generateCase(rng *rand.Rand, name string) string {
	if rng.IntN(4) > 0 {
		return name
	}
	b := []byte(name)
	for i := range b {
		if rng.IntN(2) == 0 {
			b[i] = strings.ToUpper(name)[i]
		}
	}
	return string(b)
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }
