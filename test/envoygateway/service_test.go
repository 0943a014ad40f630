package envoygateway

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tagproc/tagproc/internal/authority"
)

// tagprocPort is where tagproc listens that stands for a Service.
const tagprocPort = 9002

// service returns what tagproc prints for its Service. With its file provider Envoy Gateway
// has no Services, so a Backend takes the Service's place in what is printed; all else
// stays: retries, limits, and the policy of TLS.
func (b *bed) service(t *testing.T, flags ...string) string {
	t.Helper()
	return asBackends(t, b.renderedFor(t, fmt.Sprintf("tagproc.default:%d", tagprocPort), flags...)) + "\n" + backend("tagproc", "default", tagprocPort)
}

// TestService checks the form of a Service: the users of the first walk-through, and a
// tagproc that dies and comes back.
func TestService(t *testing.T) {
	b := start(t)
	write(t, b.rules, rules)
	address := fmt.Sprintf("127.0.0.1:%d", tagprocPort)
	kill := b.serveAt(t, address)
	b.apply(t, b.surroundings(), b.service(t))
	b.users(t, atFirst)
	b.expect(t, "a forged tag", "v1", tag("s1"), "x-user-id: bob", "x-asm-prefer-tag: s2")
	kill()
	b.expect(t, "tagproc is dead, a forged tag", "v1", "", "x-user-id: jack", "x-asm-prefer-tag: s2")
	b.serveAt(t, address)
	b.users(t, atFirst)
}

// TestServiceTLS checks the form of a Service with TLS: Envoy speaks TLS with the tagproc
// whose certificate has the name and the authority, and with no other.
func TestServiceTLS(t *testing.T) {
	b := start(t)
	write(t, b.rules, rules)
	ours, other := authority.New(t, "authority"), authority.New(t, "another authority")
	address := fmt.Sprintf("127.0.0.1:%d", tagprocPort)
	serve := func(a *authority.Authority) (kill func()) {
		pair := a.Issue(t, "tagproc")
		cert, key := filepath.Join(b.dir, "tls.crt"), filepath.Join(b.dir, "tls.key")
		write(t, cert, string(authority.CertificatePEM(pair.Leaf)))
		write(t, key, string(authority.KeyPEM(t, pair)))
		kill = b.serveAt(t, address, "--tls-cert", cert, "--tls-key", key)
		eventually(t, "tagproc listens", func() error {
			c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: a.Pool(), ServerName: authority.ServerName})
			if err == nil {
				err = c.Close()
			}
			return err
		})
		return kill
	}
	certificate, err := json.Marshal(string(authority.CertificatePEM(ours.Certificate)))
	if err != nil {
		t.Fatal(err)
	}
	configMap := fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tagproc-ca, namespace: default}\ndata: {ca.crt: %s}\n", certificate)
	kill := serve(ours)
	b.apply(t, b.surroundings(), b.service(t, "--tls-ca", "tagproc-ca", "--tls-name", authority.ServerName), configMap)
	b.users(t, atFirst)

	kill()
	kill = serve(other)
	for range 10 { // asked or not, it is not believed
		got, err := b.ask("x-user-id: jack")
		if err != nil || got.version != "v1" || got.tags != "" {
			t.Fatalf("with a tagproc of another authority: %+v, %v; want v1 without a tag", got, err)
		}
	}
	kill()
	serve(ours)
	b.users(t, atFirst)

	b.apply(t, b.surroundings(), b.service(t, "--tls-ca", "tagproc-ca", "--tls-name", "other.example"), configMap)
	b.expect(t, "another name", "v1", "", "x-user-id: jack")
}
