package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/rules"
)

// languageConfig is an Envoy with a listener for each of several replicas of tagproc,
// which sends them all that rules may look at, gives visitors their cookies, and
// answers with the version that the tag chooses.
var languageConfig = template.Must(template.New("").Parse(`
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
{{- range $name, $socket := .}}
  - name: {{$name}}
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {{$name}}
          access_log:
          - name: envoy.access_loggers.stdout
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
              log_format: {text_format_source: {inline_string: "%DYNAMIC_METADATA(tagproc)%\n"}}
          http_filters:
          - name: tagproc.visitors
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
              mutations:
                response_mutations:
                - append: {header: {key: set-cookie, value: "%DYNAMIC_METADATA(tagproc.visitor:set-cookie)%"}}
                - append: {header: {key: set-cookie, value: "%DYNAMIC_METADATA(tagproc.visitor:set-cookie-2)%"}}
                - append: {header: {key: cache-control, value: "%DYNAMIC_METADATA(tagproc.visitor:cache-control)%"}}
          - name: tagproc
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
              grpc_service: {envoy_grpc: {cluster_name: {{$name}}}}
              processing_mode: {response_header_mode: SKIP}
              failure_mode_allow: true
              message_timeout: 30s
              metadata_options: {receiving_namespaces: {untyped: [tagproc, tagproc.visitor]}}
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              response_headers_to_add: [{header: {key: cache-control, value: max-age=60}, append_action: ADD_IF_ABSENT}]
              routes:
              - match: {prefix: /, headers: [{name: x-asm-prefer-tag, string_match: {exact: s2}}]}
                direct_response: {status: 200, body: {inline_string: s2}}
              - match: {prefix: /, headers: [{name: x-asm-prefer-tag, string_match: {exact: s1}}]}
                direct_response: {status: 200, body: {inline_string: s1}}
              - match: {prefix: /}
                direct_response: {status: 200, body: {inline_string: none}}
{{- end}}
  clusters:
{{- range $name, $socket := .}}
  - name: {{$name}}
    connect_timeout: 10s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: {{$name}}
      endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: {{$socket}}}}}}]}]
{{- end}}
`))

// startGateway runs an Envoy with a listener for each replica until the test ends.
func startGateway(t *testing.T, binary string, log io.Writer, sockets map[string]string) *envoy.Process {
	t.Helper()
	var config bytes.Buffer
	if err := languageConfig.Execute(&config, sockets); err != nil {
		t.Fatal(err)
	}
	return startEnvoy(t, binary, config.Bytes(), log)
}

// A browser is a client with cookies of its own. Cookies that are Secure are kept all
// the same: loopback addresses have no TLS here.
type browser struct {
	client  http.Client
	cookies map[string]string
}

// visit returns the version that answers, and the header of the answer.
func (b *browser) visit(t *testing.T, address, path string, header http.Header) (version string, answer http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header.Clone()
		request.Host = header.Get("Host")
	}
	for name, value := range b.cookies {
		request.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	response, err := b.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %s, %v", response.Status, err)
	}
	for _, c := range response.Cookies() {
		b.cookies[c.Name] = c.Value
	}
	return string(body), response.Header
}

// TestLanguage checks that keys and matches are found in what Envoy sends.
func TestLanguage(t *testing.T) {
	envoytest.Each(t, testLanguage)
}

func testLanguage(t *testing.T, binary string) {
	t.Helper()
	t.Parallel()
	dir := t.TempDir()
	socket, rulesFile := filepath.Join(dir, "tagproc.sock"), filepath.Join(dir, "rules.yaml")
	writeFile(t, rulesFile, []byte(`
rules:
- name: checkout
  match: {hosts: ["*.example.com"], paths: [{prefix: /checkout}], headers: [{name: x-beta, exact: "1"}]}
  keys: [{header: x-user-id}, {cookie: uid}, {query: uid}]
  tagHeader: x-asm-prefer-tag
  policies: [{range: 20, tagValue: s2}]
- name: rest
  match: {hosts: ["*.example.com"]}
  keys: [{cookie: uid}]
  tagHeader: x-asm-prefer-tag
  policies: [{from: 20, range: 100, tagValue: s2}, {range: 100, tagValue: s1}]
`))
	start(t, socket, rulesFile)
	gateway := startGateway(t, binary, nil, map[string]string{"replica": socket})
	const shop, beta = "shop.EXAMPLE.com:8443", "1"
	for _, tt := range []struct {
		name, path string
		header     http.Header
		want       string
	}{
		{"a header", "/checkout", http.Header{"Host": {shop}, "X-Beta": {beta}, "X-User-Id": {"jack"}, "Cookie": {"uid=jason"}}, "s2"},
		{"a cookie", "/checkout/x?uid=jason", http.Header{"Host": {shop}, "X-Beta": {beta}, "Cookie": {`a=1; uid="jack"; uid=jason`}}, "s2"},
		{"a cookie in the second header", "/checkout", http.Header{"Host": {shop}, "X-Beta": {beta}, "Cookie": {"a=1", "uid=jack"}}, "s2"},
		{"a parameter", "/checkout?a=1&u%69d=%6aack", http.Header{"Host": {shop}, "X-Beta": {beta}}, "s2"},
		{"no key", "/checkout?a=1", http.Header{"Host": {shop}, "X-Beta": {beta}}, "none"},
		{"another path", "/checkouts", http.Header{"Host": {shop}, "X-Beta": {beta}, "Cookie": {"uid=jack"}}, "s1"},
		{"another path, another bucket", "/", http.Header{"Host": {shop}, "Cookie": {"uid=jason"}}, "s2"},
		{"another header", "/checkout", http.Header{"Host": {shop}, "X-Beta": {"2"}, "Cookie": {"uid=jack"}}, "s1"},
		{"another host", "/checkout", http.Header{"Host": {"example.com"}, "X-Beta": {beta}, "Cookie": {"uid=jack"}}, "none"},
	} {
		if got, _ := (&browser{}).visit(t, gateway.Listeners["replica"], tt.path, tt.header); got != tt.want {
			t.Errorf("%s: %s answers, want %s", tt.name, got, tt.want)
		}
	}
}

// visitorRules give the canary to a share of visitors.
func visitorRules(percent int) []byte {
	return fmt.Appendf(nil, `
rules:
- name: lane
  keys: [{header: x-user-id}, {visitor: {cookie: v}}]
  tagHeader: x-asm-prefer-tag
  policies: [{range: %d, tagValue: s2}, {range: 100, tagValue: s1}]
`, percent)
}

// TestVisitors sends requests of 2,000 browsers without an id. It checks that each keeps
// its version over five requests, a reload that raises the share, a restart and a second
// replica, that the shares are those of the rules, and that no log or metric has an id.
func TestVisitors(t *testing.T) {
	envoytest.Each(t, testVisitors)
}

func testVisitors(t *testing.T, binary string) {
	t.Helper()
	const visitors = 2000
	dir := t.TempDir()
	sockets := map[string]string{"one": filepath.Join(dir, "one.sock"), "two": filepath.Join(dir, "two.sock")}
	file := filepath.Join(dir, "rules.yaml")
	writeFile(t, file, visitorRules(20))
	one, two := start(t, sockets["one"], file, "--metadata"), start(t, sockets["two"], file, "--metadata")
	var log bytes.Buffer
	gateway := startGateway(t, binary, &log, sockets)

	browsers, versions := make([]browser, visitors), make([]string, visitors)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()
	// each has every browser make a request.
	each := func(replica string, check func(i int, version string, answer http.Header)) {
		var wg sync.WaitGroup
		for worker := range 16 {
			wg.Go(func() {
				for i := worker; i < visitors; i += 16 {
					version, answer := browsers[i].visit(t, gateway.Listeners[replica], "/", nil)
					check(i, version, answer)
				}
			})
		}
		wg.Wait()
	}
	// share checks that the share of the canary is within six standard deviations, beyond
	// which it is twice in a billion runs.
	share := func(percent float64) {
		t.Helper()
		canary := 0
		for _, v := range versions {
			if v == "s2" {
				canary++
			}
		}
		p := percent / 100
		want, off := visitors*p, 6*math.Sqrt(visitors*p*(1-p))
		if math.Abs(float64(canary)-want) > off {
			t.Errorf("%d of %d visitors are in the canary, want %.0f ± %.0f", canary, visitors, want, off)
		}
	}
	for i := range browsers {
		browsers[i] = browser{client: http.Client{Transport: transport}, cookies: map[string]string{}}
	}
	each("one", func(i int, version string, answer http.Header) {
		versions[i] = version
		if c := answer.Values("Set-Cookie"); len(c) != 1 || !strings.HasSuffix(c[0], "; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax") {
			t.Errorf("visitor %d is given %q", i, c)
		}
		if c := strings.Join(answer.Values("Cache-Control"), ", "); !strings.Contains(c, "private") {
			t.Errorf("the answer to visitor %d has cache-control: %s", i, c)
		}
	})
	share(20)
	stays := func(i int, version string, answer http.Header) {
		if version != versions[i] {
			t.Errorf("visitor %d was at %s and comes to %s", i, versions[i], version)
		}
		if answer.Values("Set-Cookie") != nil || strings.Contains(strings.Join(answer.Values("Cache-Control"), ","), "private") {
			t.Errorf("visitor %d, who has an id, is answered with %v", i, answer)
		}
	}
	for range 4 {
		each("one", stays)
	}
	each("two", stays)

	one.replace(t, visitorRules(30))
	one.awaitRules(t, visitorRules(30), rules.Options{})
	each("one", func(i int, version string, answer http.Header) {
		if versions[i] == "s2" && version != "s2" {
			t.Errorf("visitor %d was in the canary and is not any more", i)
		}
		versions[i] = version
	})
	share(30)
	two.awaitRules(t, visitorRules(30), rules.Options{})
	each("two", stays)
	one.stop(t)
	one = start(t, sockets["one"], file, "--metadata")
	each("one", stays)

	metrics, err := one.get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	if err := gateway.Stop(); err != nil {
		t.Error(err)
	}
	seen := slices.Concat([]byte(metrics), []byte(one.log.String()), []byte(two.log.String()), log.Bytes())
	if !bytes.Contains(seen, []byte("rulesDigest")) {
		t.Error("the access log has no metadata, so that nothing is tested")
	}
	for _, b := range browsers[:100] {
		if bytes.Contains(seen, []byte(b.cookies["v"])) {
			t.Errorf("the id %s is in a log or a metric", b.cookies["v"])
		}
	}
}

// TestRamp has two replicas move to a step of a ramp at its instant.
func TestRamp(t *testing.T) {
	envoytest.Each(t, testRamp)
}

func testRamp(t *testing.T, binary string) {
	t.Helper()
	dir := t.TempDir()
	sockets := map[string]string{"one": filepath.Join(dir, "one.sock"), "two": filepath.Join(dir, "two.sock")}
	file := filepath.Join(dir, "rules.yaml")
	at := time.Now().Add(15 * time.Second)
	writeFile(t, file, fmt.Appendf(nil, `
rules:
- name: lane
  header: x-user-id
  tagHeader: x-asm-prefer-tag
  policies: [{tagValue: s2, ramp: [{at: %s, range: 100}]}, {range: 100, tagValue: s1}]
`, at.Format(time.RFC3339Nano)))
	replicas := []*tagproc{start(t, sockets["one"], file), start(t, sockets["two"], file)}
	gateway := startGateway(t, binary, nil, sockets)
	for _, replica := range []string{"one", "two"} {
		b := browser{}
		for {
			before := time.Now()
			version, _ := b.visit(t, gateway.Listeners[replica], "/", http.Header{"X-User-Id": {"jack"}})
			if after := time.Now(); version == "s2" && after.Before(at) {
				t.Fatalf("replica %s is at s2 %v before the step", replica, at.Sub(after))
			} else if version != "s2" && before.After(at.Add(limit)) {
				t.Fatalf("replica %s is at %s %v after the step", replica, version, before.Sub(at))
			}
			if version == "s2" {
				break
			}
		}
	}
	var moved []time.Time
	for _, p := range replicas {
		var line string
		eventually(t, "the step is logged", func() bool {
			for line = range strings.Lines(p.log.String()) {
				if strings.Contains(line, "a ramp reaches its next step") {
					return true
				}
			}
			return false
		})
		_, text, _ := strings.Cut(line, "time=")
		text, _, _ = strings.Cut(text, " ")
		when, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		moved = append(moved, when)
	}
	t.Logf("the replicas moved %v and %v after the instant", moved[0].Sub(at), moved[1].Sub(at))
	for _, m := range moved {
		if m.Before(at.Truncate(time.Millisecond)) { // the log has milliseconds
			t.Errorf("a replica moved at %v, before %v", m, at)
		}
	}
}
