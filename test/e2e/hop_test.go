package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
)

// hopRules give jason, and everybody in the first 20 buckets, a tag.
const hopRules = `
tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
propagation: {headerPrefixes: [appver]}
rules:
- {header: x-user-id, tagHeader: x-asm-prefer-tag, overrides: [{values: [jason], tagValue: s2}], policies: [{range: 0, tagValue: s2}]}
- {header: x-user-id, tagHeader: appver-b, overrides: [{values: [jason], tagValue: v2}], policies: [{range: 20, tagValue: v2}]}
`

// TestHop checks what tagproc does if Envoy tells it the direction of requests: what
// the application is sent, and which route is chosen.
func TestHop(t *testing.T) {
	envoytest.Each(t, testHop)
}

func testHop(t *testing.T, binary string) {
	t.Helper()
	t.Parallel()
	application := startEcho(t)
	dir := t.TempDir()
	socket, rulesFile := filepath.Join(dir, "tagproc.sock"), filepath.Join(dir, "rules.yaml")
	writeFile(t, rulesFile, []byte(hopRules))
	p := start(t, socket, rulesFile)
	sidecar := startEnvoy(t, binary, hopConfig(socket, application.Port(), "gateway", "restore", "recompute", "collect", "nonsense", ""), nil)

	const none, v2 = "", "v2" // routes
	for _, tt := range []struct {
		name      string
		direction string
		lines     []string
		want      []string // headers of tags, and baggage
		route     string
	}{
		{"a member becomes a header, and chooses the route", "restore", []string{"baggage: userId=alice, AppVer-B = v%32;p"}, []string{"appver-b: v2", "baggage: userId=alice, AppVer-B = v%32;p"}, v2},
		{"a member wins over a header", "restore", []string{"appver-b: v2", "appver-b: v3", "baggage: appver-b=v1"}, []string{"appver-b: v1", "baggage: appver-b=v1"}, none},
		{"several members in several headers", "restore", []string{"baggage: appver-b=v2", "Baggage: appver-a=v1,x-asm-prefer-tag=s2,appver-b=v9"}, []string{"appver-a: v1", "appver-b: v2", "baggage: appver-b=v2", "baggage: appver-a=v1,x-asm-prefer-tag=s2,appver-b=v9"}, v2},
		{"without baggage nothing", "restore", []string{"x-user-id: jason", "appver-b: v2", "appver-z: 1"}, []string{"appver-b: v2", "appver-z: 1"}, v2},
		{"a decoded line break is no 500", "restore", []string{"baggage: appver-b=v2%0d%0ax: y,appver-a=%00"}, []string{"baggage: appver-b=v2%0d%0ax: y,appver-a=%00"}, none},

		{"a named user", "recompute", []string{"x-user-id: jason"}, []string{"appver-b: v2", "x-asm-prefer-tag: s2"}, v2},
		{"a bucket", "recompute", []string{"x-user-id: jessie"}, []string{"appver-b: v2"}, v2},
		{"nobody", "recompute", []string{"x-user-id: vance", "appver-z: 1"}, []string{"appver-z: 1"}, none},
		{"a header stays", "recompute", []string{"x-user-id: jason", "appver-b: v1"}, []string{"appver-b: v1", "x-asm-prefer-tag: s2"}, none},
		{"baggage wins", "recompute", []string{"x-user-id: jason", "appver-b: v1", "baggage: appver-b=v3"}, []string{"appver-b: v3", "baggage: appver-b=v3", "x-asm-prefer-tag: s2"}, none},

		{"a header becomes a member", "collect", []string{"appver-b: v2", "x-asm-prefer-tag: s2", "baggage: a=1 , appver-b=v1", "baggage: b"}, []string{"appver-b: v2", "baggage: appver-b=v2,a=1,b", "x-asm-prefer-tag: s2"}, v2},
		{"baggage goes that has no room", "collect", []string{"appver-b: v2", "baggage: appver-b=v1," + strings.Repeat("a=1,", 63) + "a=1"}, []string{"appver-b: v2", "baggage: " + strings.Repeat("a=1,", 63) + "a=1"}, v2},
		{"no header, no member", "collect", []string{"x-user-id: jason", "baggage: appver-b=v2"}, []string{"baggage: appver-b=v2"}, none},

		{"the gateway", "gateway", []string{"x-user-id: jason", "appver-z: 1", "baggage: appver-a=v2,a=1"}, []string{"appver-b: v2", "baggage: appver-b=v2,a=1", "x-asm-prefer-tag: s2"}, v2},
		{"no direction is the gateway", "", []string{"x-user-id: vance", "appver-b: v2", "baggage: appver-a=v2"}, nil, none},
		{"an unknown direction changes nothing", "nonsense", []string{"x-user-id: jason", "appver-z: 1", "baggage: appver-b=v2"}, []string{"appver-z: 1", "baggage: appver-b=v2"}, none},
	} {
		t.Run(tt.direction+"/"+tt.name, func(t *testing.T) {
			var report echo.Report
			header, err := ask(&report, sidecar.Listeners["direction "+tt.direction], "application", tt.lines...)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for name, values := range report.Headers {
				if strings.HasPrefix(string(name), "appver") || name == "x-asm-prefer-tag" || name == "baggage" {
					for _, v := range values {
						got = append(got, string(name)+": "+string(v))
					}
				}
			}
			slices.SortStableFunc(got, func(a, b string) int {
				a, _, _ = strings.Cut(a, ":")
				b, _, _ = strings.Cut(b, ":")
				return strings.Compare(a, b)
			})
			if !slices.Equal(got, tt.want) || header.Get("x-route") != tt.route {
				t.Errorf("by the route %q the application was sent %q, want %q, %q", header.Get("x-route"), got, tt.route, tt.want)
			}
		})
	}

	// At the sidecar's limit, which is 100 headers, a request goes on without its tag.
	tagged, untagged := 0, 0
	for n := 85; n < 100; n++ {
		lines := []string{"baggage: appver-a=v2"}
		for i := range n - len(lines) {
			lines = append(lines, fmt.Sprintf("x-filler-%d: %d", i, i))
		}
		var report echo.Report
		switch _, err := ask(&report, sidecar.Listeners["direction restore"], "application", lines...); {
		case err != nil && strings.Contains(err.Error(), "431"): // with pseudo-headers they are more than Envoy takes
		case err != nil:
			t.Errorf("%d headers: %v", n, err)
		case slices.Equal(report.Headers["appver-a"], []echo.Bytes{"v2"}):
			tagged++
		default:
			untagged++
		}
	}
	if tagged == 0 || untagged == 0 {
		t.Errorf("of requests with up to 100 headers %d are tagged and %d are not, want some of both", tagged, untagged)
	}

	for labels, want := range map[string]float64{
		`direction="restore",outcome="over_limits"`: float64(untagged),
		`direction="restore",outcome="tagged"`:      3 + float64(tagged),
		`direction="restore",outcome="unchanged"`:   2,
		`direction="recompute",outcome="tagged"`:    4,
		`direction="collect",outcome="cleaned"`:     1,
		`direction="gateway",outcome="tagged"`:      1,
		`direction="gateway",outcome="cleaned"`:     1,
		`direction="unknown",outcome="unchanged"`:   1,
	} {
		if got := p.metric(t, `tagproc_messages_total\{`+labels+`\}`); got != want {
			t.Errorf("tagproc_messages_total{%s} = %v, want %v", labels, got, want)
		}
	}
	const complaint = "Envoy sends an unknown direction"
	eventually(t, "the unknown direction is in the log", func() bool { return strings.Contains(p.log.String(), complaint) })
	if n := strings.Count(p.log.String(), complaint); n != 1 {
		t.Errorf("the log has %d lines with %q, want 1", n, complaint)
	}
}

// hopConfig returns the configuration of an Envoy that has a listener for each of
// directions, "" for none, with a route of its own for requests with appver-b: v2.
// It waits for tagproc: how long is not what is tested.
func hopConfig(socket string, application int, directions ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  clusters:
  - name: application
    load_assignment:
      cluster_name: application
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}}]}]
  - name: tagproc
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: tagproc
      endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: %q}}}}]}]
  listeners:
`, application, socket)
	for _, d := range directions {
		said := ""
		if d != "" {
			said = fmt.Sprintf(", initial_metadata: [{key: tagproc-direction, value: %s}]", d)
		}
		fmt.Fprintf(&b, `
  - name: "direction %s"
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    enable_reuse_port: false
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: hop
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /, headers: [{name: appver-b, string_match: {exact: v2}}]}
                route: {cluster: application}
                response_headers_to_add: [{header: {key: x-route, value: v2}}]
              - match: {prefix: /}
                route: {cluster: application}
          http_filters:
          - name: tagproc
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
              grpc_service: {envoy_grpc: {cluster_name: tagproc}%s}
              message_timeout: 60s
              failure_mode_allow: true
              processing_mode: {request_header_mode: SEND, response_header_mode: SKIP}
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
`, d, said)
	}
	return []byte(b.String())
}
