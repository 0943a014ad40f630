package e2e

import (
	"hash/fnv"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/accesslog"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/rules"
)

// recipe returns the blocks of YAML of a section of docs/envoy.md.
func recipe(t *testing.T, heading string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/envoy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, b := range regexp.MustCompile("(?ms)^```yaml\n(.*?\n)```$").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, b[1])
	}
	return blocks
}

// TestRecipeAddress pastes what docs/envoy.md has for the client's address as a key: the
// address alone decides, and not what a client says of it.
func TestRecipeAddress(t *testing.T) {
	blocks := recipe(t, "The client's address as a key")
	if len(blocks) != 2 {
		t.Fatalf("the recipe has %d blocks, want a filter and rules", len(blocks))
	}
	envoytest.Each(t, func(t *testing.T, envoyBinary string) {
		t.Helper()
		t.Parallel()
		at := newPlace(t, "tagHeaders: {headers: [x-asm-prefer-tag]}\n"+blocks[1])
		to := services(t, "default", "s2")
		start(t, at.socket, at.rulesFile)
		s := startEdited(t, envoyBinary, at.rulesFile, func(config string) string {
			return insertBefore(t, config, "          - name: tagproc\n", blocks[0])
		}, "--address", "unix://"+at.socket, "--route", "s2="+to[1], "--default", to[0])
		seen := map[string]bool{}
		for i := range 20 {
			s.client = net.IPv4(127, 0, 0, byte(i+1))
			hash := fnv.New32a()
			hash.Write([]byte(s.client.String()))
			want := "default"
			if hash.Sum32()%100 < 20 {
				want = "s2"
			}
			seen[want] = true
			for _, header := range []http.Header{nil, {"X-Client-Address": {"127.0.0.1"}}, {"X-Client-Address": {"a", "b"}, "X-Forwarded-For": {"10.0.0.9"}}} {
				if version, _, _ := s.get(t, "/", header); version != want {
					t.Errorf("%s with %v reaches %s, want %s", s.client, header, version, want)
				}
			}
		}
		if len(seen) != 2 {
			t.Errorf("all addresses reach %v", seen)
		}
	})
}

// TestRecipeHost pastes what docs/envoy.md has for one host alone: elsewhere tagproc is
// not asked, and tags that clients send are removed all the same.
func TestRecipeHost(t *testing.T) {
	blocks := recipe(t, "One host or path alone")
	if len(blocks) != 1 {
		t.Fatalf("the recipe has %d blocks, want one", len(blocks))
	}
	envoytest.Each(t, func(t *testing.T, envoyBinary string) {
		t.Helper()
		t.Parallel()
		at := newPlace(t, standaloneRules)
		p := start(t, at.socket, at.rulesFile)
		s := startEdited(t, envoyBinary, at.rulesFile, func(config string) string {
			others := "- name: others\n  domains: [others.example.com]\n  routes: [{match: {prefix: /}, route: {cluster: default}}]\n"
			for line := range strings.Lines(blocks[0]) {
				others += "  " + line
			}
			return insertBefore(t, config, "            - name: ingress\n", others)
		}, append(routes(t), "--address", "unix://"+at.socket)...)
		jack := http.Header{"X-User-Id": {"jack"}}
		if version, _, _ := s.get(t, "/", jack); version != "s2" {
			t.Errorf("jack reaches %s, want s2", version)
		}
		asked := p.metric(t, `tagproc_messages_total\{[^}]*\}`)
		for _, header := range []http.Header{jack, {"X-Asm-Prefer-Tag": {"s2"}}, {"x_asm_prefer_tag": {"s2"}}} {
			header := header.Clone()
			header.Set("Host", "others.example.com")
			if version, tags, _ := s.get(t, "/", header); version != "default" || len(tags) > 0 {
				t.Errorf("%v reaches %s with %v, want the default without a tag", header, version, tags)
			}
		}
		if now := p.metric(t, `tagproc_messages_total\{[^}]*\}`); now != asked || asked == 0 {
			t.Errorf("tagproc has %v messages, want the %v that it had before", now, asked)
		}
	})
}

// TestAccessLogVerified has real Envoys write the JSON access log, and compares it with the
// rules: as it is, with ids where the format has them, and with other rules.
func TestAccessLogVerified(t *testing.T) {
	envoytest.Each(t, func(t *testing.T, envoyBinary string) {
		t.Helper()
		t.Parallel()
		at := newPlace(t, standaloneRules)
		s := startStandalone(t, envoyBinary, at.rulesFile, append(routes(t), "--access-log", "json", "--address", "unix://"+at.socket)...)
		p := start(t, at.socket, at.rulesFile, "--metadata", "--max-request-headers", "200", "--max-request-headers-kb", "128")
		for i := range 50 {
			s.get(t, "/checkout", http.Header{"Host": {"shop.example.com"}, "X-User-Id": {strconv.Itoa(i)}, "X-Asm-Prefer-Tag": {"s2"}})
		}
		s.get(t, "/", nil)
		p.stop(t)
		s.get(t, "/", http.Header{"X-User-Id": {"jack"}, "X-Asm-Prefer-Tag": {"s2"}})
		table, problems := rules.Load("rules.yaml", []byte(standaloneRules), rules.Options{})
		if table == nil {
			t.Fatal(problems.Err())
		}
		var r accesslog.Report
		eventually(t, "the access log has all requests", func() bool {
			c := accesslog.NewComparer(table, 10)
			if err := c.Read(t.Context(), "log", strings.NewReader(s.log.String())); err != nil {
				t.Fatal(err)
			}
			r = c.Report
			return r.Requests == 52
		})
		if r.Compared != 51 || r.Wrong != 0 || r.Unexplained != 0 || r.Unanswered["tagproc=14"] != 1 {
			t.Errorf("of the log the report is %+v:\n%s", r, s.log.String())
		}
	})
}
