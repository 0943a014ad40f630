package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/mesh"
)

const travelling = `
tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
propagation: {headerPrefixes: [appver]}
rules:
- {header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 100, tagValue: s1}]}
- {header: x-user-id, tagHeader: appver-a, policies: [{range: 50, tagValue: v2}]}
- {header: x-user-id, tagHeader: appver-b, policies: [{range: 20, tagValue: "v=2,;%"}]}
`

// TestBaggage checks what an application is sent in the header baggage: tags first,
// other members as they were, and no forged ones, whoever the user is.
func TestBaggage(t *testing.T) {
	envoytest.Each(t, testBaggage)
}

func testBaggage(t *testing.T, envoy string) {
	t.Helper()
	t.Parallel()
	application := startEcho(t)
	dir := t.TempDir()
	socket, rulesFile := filepath.Join(dir, "tagproc.sock"), filepath.Join(dir, "rules.yaml")
	m := startMeshWith(t, mesh.Options{Binary: envoy, Tagproc: &net.UnixAddr{Name: socket, Net: "unix"}, Edit: patient(t, "60s", withEcho(application.Port()))})
	writeFile(t, rulesFile, []byte(travelling))
	p := start(t, socket, rulesFile, "--max-request-headers", "200", "--max-request-headers-kb", "128")

	const bob, jessie = "appver-a=v2", "appver-a=v2,appver-b=v%3D2%2C%3B%25"
	many := strings.TrimSuffix(strings.Repeat("a=1,", 64), ",")
	for _, tt := range []struct {
		name  string
		lines []string
		want  []string // the values of the header
	}{
		{"one tag", []string{"x-user-id: bob"}, []string{bob}},
		{"two tags", []string{"x-user-id: jessie"}, []string{jessie}},
		{"no tag that travels", []string{"x-user-id: vance"}, nil},
		{"others as they were", []string{"x-user-id: bob", "baggage: a = 1;p , b=%zz,,c;  d=\xff\t, "}, []string{bob + ",a = 1;p , b=%zz,,c;  d=\xff\t,"}},
		{"two headers and no tag", []string{"x-user-id: vance", "baggage: a=1", "Baggage: b=2"}, []string{"a=1", "b=2"}},
		{"two headers", []string{"baggage: a=1", "x-user-id: bob", "BAGGAGE: b=2"}, []string{bob + ",a=1,b=2"}},
		{"forged", []string{"x-user-id: bob", "baggage: appver-a=v9,a=1,appver-b=v9"}, []string{bob + ",a=1"}},
		{"forged, and no tag", []string{"x-user-id: vance", "baggage: a=1,AppVer-B=v2 , b=2"}, []string{"a=1, b=2"}},
		{"forged, and no user", []string{"baggage: APPVER-a=v2"}, nil},
		{"forged in three headers", []string{"baggage: appver-a=v2", "baggage: a=1, Appver-B = v2;p=1", "baggage: appver%2Da=v2"}, []string{"a=1"}},
		{"forged for those who decode", []string{"x-user-id: vance", "baggage: %61ppver-a=v2,a=1,+appver-a=v2,app ver-a=v2,x%252Cappver-a=v2"}, []string{"a=1"}},
		{"too many members", []string{"x-user-id: bob", "baggage: " + many + ",appver-b=v2"}, []string{many}},
		{"too many bytes", []string{"x-user-id: bob", "baggage: a=" + strings.Repeat("x", 8190)}, []string{"a=" + strings.Repeat("x", 8190)}},
		{"8,192 bytes", []string{"x-user-id: bob", "baggage: a=" + strings.Repeat("x", 8178)}, []string{bob + ",a=" + strings.Repeat("x", 8178)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := sent(t, m, tt.lines...)
			if baggage := baggageOf(got); !slices.Equal(baggage, tt.want) {
				t.Errorf("the application was sent the baggage %.300q, want %.300q", baggage, tt.want)
			}
			// Whether or not the tag is in the baggage, it is a header.
			if tagged := slices.Contains(tt.lines, "x-user-id: bob") || slices.Contains(tt.lines, "x-user-id: jessie"); tagged != slices.Equal(got.Headers["appver-a"], []echo.Bytes{"v2"}) {
				t.Errorf("the application was sent appver-a: %q, want v2: %v", got.Headers["appver-a"], tagged)
			}
		})
	}
	if n := p.metric(t, "tagproc_baggage_over_limits_total"); n != 2 {
		t.Errorf("tagproc_baggage_over_limits_total = %v, want 2", n)
	}

	// Envoy alone removes no single members: docs/rules.md says so.
	p.stop(t)
	if got := baggageOf(sent(t, m, "x-user-id: bob", "baggage: appver-b=v2,a=1")); !slices.Equal(got, []string{"appver-b=v2,a=1"}) {
		t.Errorf("without tagproc the application was sent the baggage %q, want it as it was", got)
	}
}

// patient has Envoy wait so long for tagproc, instead of 0.2 s, which pass on a busy machine:
// requests are counted, or are not tagproc's. more is another edit.
func patient(t *testing.T, limit string, more func(config string) string) func(config string) string {
	t.Helper()
	return func(config string) string {
		edited := strings.Replace(config, "message_timeout: 0.2s", "message_timeout: "+limit, 1)
		if edited == config {
			t.Fatal("the configuration has no message_timeout: 0.2s")
		}
		return more(edited)
	}
}

// withEcho adds an application to the gateway: the host echo.
func withEcho(port int) func(string) string {
	return func(config string) string {
		const virtualHost = `            virtual_hosts:
            - {name: echo, domains: [echo], routes: [{match: {prefix: /}, route: {cluster: echo}}]}
`
		config = strings.Replace(config, "            virtual_hosts:\n", virtualHost, 1)
		return strings.Replace(config, "\n  clusters:\n", fmt.Sprintf(`
  clusters:
  - name: echo
    connect_timeout: 1s
    load_assignment:
      cluster_name: echo
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}}]}]
`, port), 1)
	}
}

// sent returns what the application is sent for a request with these lines.
func sent(t *testing.T, m *mesh.Mesh, lines ...string) (report echo.Report) {
	t.Helper()
	if err := m.Patiently(t.Context(), func() error {
		report = echo.Report{}
		return getInto(&report, m, "echo", lines...)
	}); err != nil {
		t.Fatalf("%.200q: %v", lines, err)
	}
	return report
}

func baggageOf(r echo.Report) (values []string) {
	for _, v := range r.Headers["baggage"] {
		values = append(values, string(v))
	}
	return values
}
