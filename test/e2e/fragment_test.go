package e2e

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
)

// fragmentConfig is an Envoy of somebody's own, into which the filters of
// docs/envoy.md are pasted.
var fragmentConfig = template.Must(template.New("").Parse(`
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: own
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: own
{{.Filters}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /, headers: [{name: x-asm-prefer-tag, string_match: {exact: s2}}]}
                direct_response: {status: 200, body: {inline_string: s2}}
              - match: {prefix: /, headers: [{name: x-asm-prefer-tag, string_match: {exact: s1}}]}
                direct_response: {status: 200, body: {inline_string: s1}}
              - match: {prefix: /}
                direct_response: {status: 200, body: {inline_string: none}}
  clusters:
  - name: tagproc
    connect_timeout: 10s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: tagproc
      endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: {{.Socket}}}}}}]}]
`))

// TestFragment pastes the filters that docs/envoy.md has for cookies, matches and
// visitors: with the rules beside them, each of the three is seen, and a visitor is
// given the cookie and keeps the version.
func TestFragment(t *testing.T) {
	envoytest.Each(t, testFragment)
}

func testFragment(t *testing.T, binary string) {
	t.Helper()
	t.Parallel()
	text, err := os.ReadFile("../../docs/envoy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Visitors\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?ms)^```yaml\n(.*?\n)```$").FindAllStringSubmatch(section, -1)
	if len(blocks) != 2 {
		t.Fatalf("the section has %d blocks of YAML, want rules and filters", len(blocks))
	}
	// A busy machine is not what is tested.
	filters := strings.ReplaceAll(blocks[1][1], "message_timeout: 0.2s", "message_timeout: 30s")
	dir := t.TempDir()
	socket, rulesFile := filepath.Join(dir, "tagproc.sock"), filepath.Join(dir, "rules.yaml")
	writeFile(t, rulesFile, []byte(blocks[0][1]))
	start(t, socket, rulesFile)
	var config bytes.Buffer
	if err := fragmentConfig.Execute(&config, map[string]string{
		"Filters": strings.ReplaceAll("\n"+filters, "\n", "\n          "), "Socket": socket,
	}); err != nil {
		t.Fatal(err)
	}
	p, err := envoy.Start(t.Context(), envoy.Options{Binary: binary, Config: config.Bytes()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})

	const shop = "shop.example.com"
	ask := func(b *browser, path string, header http.Header) (string, http.Header) {
		t.Helper()
		return b.visit(t, p.Listeners["own"], path, header)
	}
	for _, tt := range []struct {
		name, path string
		header     http.Header
		want       string
	}{
		{"a header", "/checkout", http.Header{"Host": {shop}, "X-User-Id": {"jack"}}, "s2"},
		{"a cookie", "/checkout", http.Header{"Host": {shop}, "Cookie": {"uid=jason"}}, "s1"},
		{"another path", "/", http.Header{"Host": {shop}, "X-User-Id": {"jack"}}, "none"},
		{"another host", "/checkout", http.Header{"Host": {"example.com"}, "X-User-Id": {"jack"}}, "none"},
		{"forged", "/", http.Header{"Host": {shop}, "X-Asm-Prefer-Tag": {"s2"}}, "none"},
	} {
		got, answer := ask(&browser{}, tt.path, tt.header)
		if got != tt.want || answer.Values("Set-Cookie") != nil {
			t.Errorf("%s: %s answers, with cookies %q, want %s and none", tt.name, got, answer.Values("Set-Cookie"), tt.want)
		}
	}
	seen := map[string]bool{}
	for range 50 {
		b := browser{cookies: map[string]string{}}
		first, answer := ask(&b, "/checkout", http.Header{"Host": {shop}})
		if b.cookies["shop-visitor"] == "" || !strings.Contains(answer.Get("Cache-Control"), "private") {
			t.Fatalf("a visitor is answered with %v, want a cookie and cache-control: private", answer)
		}
		seen[first] = true
		for range 3 {
			if again, _ := ask(&b, "/checkout", http.Header{"Host": {shop}}); again != first {
				t.Fatalf("a visitor was at %s and comes to %s", first, again)
			}
		}
	}
	// 50 visitors at 20% are all of one version once in 70,000 runs.
	if !seen["s1"] || !seen["s2"] {
		t.Errorf("50 visitors are at %v, want both versions", seen)
	}
}
