package processor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/proto"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/tagproc/tagproc/contract"
)

// TestCases checks Restore and Collect against the cases that Envoy's Lua filter passes.
func TestCases(t *testing.T) {
	t.Parallel()
	for _, d := range []contract.Direction{contract.Restore, contract.Collect} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(filepath.Join("..", "istio", "propagation", "testdata", "cases", d.String()+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			var file struct {
				Travels ownedModel
				Cases   []struct {
					Name          string
					Request, Want []string
				}
			}
			// The names of fields are those of JSON.
			var anything any
			if err := yaml.Load(src, &anything); err != nil {
				t.Fatal(err)
			}
			if src, err = json.Marshal(anything); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(src, &file); err != nil || len(file.Cases) < 20 {
				t.Fatalf("%d cases, %v", len(file.Cases), err)
			}
			rules, err := json.Marshal(fileModel{TagHeaders: &file.Travels, Propagation: &file.Travels, Rules: []ruleModel{}})
			if err != nil {
				t.Fatal(err)
			}
			table := load(t, string(rules))
			p := New(Options{})
			p.SetTable(table)
			for _, c := range file.Cases {
				headers := linesOf(t, c.Request)
				reply, _ := p.NewStreamOf(d).Reply(nil, encodeHeaders(headers, false))
				a, err := envoyApply(headers, false, p.limits, reply)
				if err != nil {
					t.Errorf("%s: the reply to %.300q is %.300q, but %v", c.Name, headers, reply, err)
				}
				about := func(h [2]string) bool { return h[0] == "baggage" }
				if d == contract.Restore {
					about = func(h [2]string) bool { return table.Propagated().Contains(h[0]) }
				}
				got := slices.DeleteFunc(a.headers, func(h [2]string) bool { return !about(h) })
				slices.SortStableFunc(got, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
				if want := linesOf(t, c.Want); !slices.Equal(got, want) {
					t.Errorf("%s: of %.300q there is %.300q, want %.300q", c.Name, headers, got, want)
				}
			}
		})
	}
}

// linesOf returns lines of a request as Envoy sends them. ((3*x)) in them is xxx, and
// each character is a byte.
func linesOf(t *testing.T, lines []string) (headers [][2]string) {
	t.Helper()
	repeated := regexp.MustCompile(`\(\((\d+)\*(.*?)\)\)`)
	for _, l := range lines {
		l = repeated.ReplaceAllStringFunc(l, func(s string) string {
			m := repeated.FindStringSubmatch(s)
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			return strings.Repeat(m[2], n)
		})
		var raw []byte
		for _, r := range l {
			raw = append(raw, byte(r))
		}
		name, value, _ := bytes.Cut(raw, []byte{':'})
		headers = append(headers, [2]string{strings.ToLower(string(name)), string(bytes.Trim(value, " \t"))})
	}
	return headers
}

// TestMetadataOfHops checks what access logs of sidecars say.
func TestMetadataOfHops(t *testing.T) {
	t.Parallel()
	p := New(Options{Metadata: true})
	table := load(t, travelling)
	p.SetTable(table)
	msg := marshal(t, headersRequest(rawHeaders("x-user-id", "bob", "baggage", "appver-b=v3")))
	for d, rules := range map[contract.Direction]int{contract.Restore: 0, contract.Collect: 0, contract.Recompute: len(table.Rules())} {
		reply, _ := p.NewStreamOf(d).Reply(nil, msg)
		got := metadataOf(t, reply)["tagproc"].(map[string]any)
		if n := len(got["rules"].(map[string]any)); n != rules || got["rulesDigest"] != table.Digest() {
			t.Errorf("%v: the metadata has %d rules: %v; want %d, and the digest %s", d, n, got, rules, table.Digest())
		}
	}
	reply, _ := p.NewStreamOf(contract.UnknownDirection).Reply(nil, msg)
	var m extprocv3.ProcessingResponse
	if err := proto.Unmarshal(reply, &m); err != nil || m.DynamicMetadata != nil {
		t.Errorf("the reply to an unknown direction is %v, %v, want no metadata", &m, err)
	}
}

// hopRequests are those of the benchmarks at sidecars.
func hopRequests(t testing.TB) map[string][]byte {
	t.Helper()
	const baggage = "appver-a=v2,appver-b=v2,userId=alice,serverNode=DF%2028,isProduction=false"
	hit := browserHeaders()
	many := slices.Clone(hit)
	for i := range 64 {
		many = append(many, fmt.Sprintf("appver-%02d", i), "v1")
	}
	return map[string][]byte{
		"none":    marshal(t, headersRequest(rawHeaders(hit...))),
		"usual":   marshal(t, headersRequest(rawHeaders(append(slices.Clone(hit), "baggage", baggage)...))),
		"both":    marshal(t, headersRequest(rawHeaders(append(slices.Clone(hit), "appver-a", "v1", "baggage", baggage)...))),
		"hostile": marshal(t, headersRequest(rawHeaders(append(many, "baggage", strings.Repeat("appver-x=%zz%41,", 500))...))),
	}
}

// BenchmarkHop is BenchmarkReply at a sidecar: requests without baggage, with that of
// the gateway, with a header of the application too, and what makes most work.
func BenchmarkHop(b *testing.B) {
	for _, d := range []contract.Direction{contract.Restore, contract.Recompute, contract.Collect} {
		for _, name := range []string{"none", "usual", "both", "hostile"} {
			b.Run(fmt.Sprintf("%v/%s", d, name), func(b *testing.B) {
				p := New(Options{Limits: Limits{MaxHeaders: 200}})
				p.SetTable(load(b, propagated(3)))
				msg := hopRequests(b)[name]
				dst := make([]byte, 0, 64<<10)
				b.ReportAllocs()
				for b.Loop() {
					if reply, more := p.NewStreamOf(d).Reply(dst, msg); len(reply) == 0 || more {
						b.Fatalf("Reply = %x, %v", reply, more)
					}
				}
			})
		}
	}
}

// TestHopAllocates checks what the benchmark shows: nothing is allocated.
func TestHopAllocates(t *testing.T) {
	for _, o := range []Options{{}, {Metadata: true}, {Limits: Limits{MaxHeaders: 200}}} {
		p := New(o)
		p.SetTable(load(t, propagated(3)))
		pl := p.plan.Load()
		sc := newScratch(pl)
		for name, msg := range hopRequests(t) {
			for d := range directions {
				s := p.NewStreamOf(d)
				dst := make([]byte, 0, 64<<10)
				if got := testing.AllocsPerRun(100, func() {
					s.answer(dst, msg, pl, sc)
					sc.reset()
				}); got != 0 {
					t.Errorf("%+v, %v, %s: answer allocates %v times, want 0", o, d, name, got)
				}
			}
		}
	}
}
