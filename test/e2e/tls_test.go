package e2e

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/authority"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/mesh"
)

// TestTLSToTagproc checks that the transport_socket of docs/operations.md works,
// and that where the two sides do not agree requests go on untagged and Envoy
// counts it as the document says.
func TestTLSToTagproc(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```yaml\n(transport_socket:\n.*?\n)```$").FindStringSubmatch(string(text))
	if block == nil {
		t.Fatal("docs/operations.md has no block transport_socket")
	}
	counters := regexp.MustCompile("`(cluster\\.tagproc\\.ssl\\.\\w+)`").FindAllStringSubmatch(string(text), -1)
	if len(counters) == 0 {
		t.Fatal("docs/operations.md names no counter of TLS")
	}
	ours, theirs := authority.New(t, "ours"), authority.New(t, "theirs")
	server := []string{"--tls-cert", "tls.crt", "--tls-key", "tls.key", "--tls-client-ca", "ca.crt"}
	withoutShown := regexp.MustCompile(`(?m)^ +tls_certificates:\n.*\n.*\n`)

	envoytest.Each(t, func(t *testing.T, envoy string) {
		t.Helper()
		t.Parallel()
		for _, tt := range []struct {
			name            string
			issuer, trusted *authority.Authority // of Envoy's certificate; whom it trusts
			edit            func(socket string) string
			flags           []string
			counter         string // rises; "": the request is tagged
		}{
			{name: "agreed", issuer: ours, trusted: ours, flags: server},
			{name: "client certificate of another authority", issuer: theirs, trusted: ours, flags: server, counter: "connection_error"},
			{name: "no client certificate", issuer: ours, trusted: ours, flags: server, counter: "connection_error", edit: func(socket string) string {
				return withoutShown.ReplaceAllString(socket, "")
			}},
			{name: "server certificate of another authority", issuer: ours, trusted: theirs, flags: server, counter: "fail_verify_error"},
			{name: "server certificate of another name", issuer: ours, trusted: ours, flags: server, counter: "fail_verify_san", edit: func(socket string) string {
				return strings.Replace(socket, "exact: tagproc.example", "exact: other.example", 1)
			}},
			{name: "tagproc without TLS", issuer: ours, trusted: ours, counter: "connection_error"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				dir := t.TempDir()
				issue(t, ours, dir, "tls.crt", "tls.key")
				writeFile(t, filepath.Join(dir, "ca.crt"), authority.CertificatePEM(ours.Certificate))
				issue(t, tt.issuer, dir, "envoy.crt", "envoy.key")
				writeFile(t, filepath.Join(dir, "trusted.crt"), authority.CertificatePEM(tt.trusted.Certificate))
				socket := strings.NewReplacer("/etc/envoy/tls.", dir+"/envoy.", "/etc/envoy/ca.crt", dir+"/trusted.crt").Replace(block[1])
				if tt.edit != nil {
					edited := tt.edit(socket)
					if edited == socket {
						t.Fatal("the edit changes nothing")
					}
					socket = edited
				}
				rulesFile := filepath.Join(dir, "rules.yaml")
				writeFile(t, rulesFile, []byte("rules: [{header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 100, tagValue: s2}]}]\n"))
				var flags []string
				for _, f := range tt.flags {
					if !strings.HasPrefix(f, "--") {
						f = filepath.Join(dir, f)
					}
					flags = append(flags, f)
				}
				p := startOn(t, "127.0.0.1:0", rulesFile, flags...)
				m := startMeshWith(t, mesh.Options{
					Binary: envoy, Tagproc: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.port(t)},
					Edit: func(config string) string {
						return insertBefore(t, config, "    load_assignment:\n      cluster_name: tagproc\n", socket)
					},
				})
				trace, err := m.Get(t.Context(), "mocka", http.Header{"X-User-Id": {"jack"}})
				if err != nil {
					t.Fatal(err)
				}
				want := "s2"
				if tt.counter != "" {
					want = ""
				}
				if got := strings.Join(trace[0].Tags["x-asm-prefer-tag"], ", "); got != want {
					t.Errorf("tag = %q, want %q", got, want)
				}
				stat := func(name string) uint64 {
					t.Helper()
					n, err := m.Envoy.Stat(t.Context(), name)
					if err != nil {
						t.Fatal(err)
					}
					return n
				}
				for _, c := range counters {
					stat(c[1]) // it exists
				}
				if got := stat("cluster.tagproc.upstream_cx_connect_fail"); (got > 0) != (tt.counter != "") {
					t.Errorf("upstream_cx_connect_fail = %d, want it to tell of a failure alone", got)
				}
				if got := stat("cluster.tagproc.upstream_cx_destroy_remote_with_active_rq"); got != 0 {
					t.Errorf("upstream_cx_destroy_remote_with_active_rq = %d, want 0", got)
				}
				if tt.counter != "" && stat("cluster.tagproc.ssl."+tt.counter) == 0 {
					t.Errorf("ssl.%s does not rise", tt.counter)
				}
			})
		}
	})
}

// insertBefore puts lines before a line of a configuration, indented as it is.
func insertBefore(t *testing.T, config, before, lines string) string {
	t.Helper()
	at := strings.Index(config, before)
	if at < 0 {
		t.Fatalf("the configuration has no line %q", before)
	}
	indent := strings.Repeat(" ", len(before)-len(strings.TrimLeft(before, " ")))
	var b strings.Builder
	for line := range strings.Lines(lines) {
		b.WriteString(indent + line)
	}
	return config[:at] + b.String() + config[at:]
}

// issue writes a certificate of an authority and its key.
func issue(t *testing.T, a *authority.Authority, dir, certificate, key string) {
	t.Helper()
	pair := a.Issue(t, "a peer")
	writeFile(t, filepath.Join(dir, certificate), authority.CertificatePEM(pair.Leaf))
	writeFile(t, filepath.Join(dir, key), authority.KeyPEM(t, pair))
}
