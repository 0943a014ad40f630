package kube

import (
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/transcript"
)

// TestAccount takes the account of a pod, whose token is replaced.
func TestAccount(t *testing.T) {
	t.Parallel()
	api := newAPI(t)
	api.set(ptr(tagging("v1")))
	at, err := url.Parse(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := inCluster(dir, at.Hostname(), at.Port()); err == nil || !strings.Contains(err.Error(), "automountServiceAccountToken") {
		t.Errorf("without an account: %v", err)
	}
	ca := pemOf(api.Certificate())
	write("ca.crt", ca)
	write("token", "first\n")
	client, err := inCluster(dir, at.Hostname(), at.Port())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w := api.watcher(t, new(transcript.Transcript))
	w.Client = client
	for _, token := range []string{"first", "second"} {
		write("token", token)
		if got := stateOf(w.Read(t.Context())); got != tagging("v1") {
			t.Fatalf("Read = %q", got)
		}
		if !api.tokens["Bearer "+token] {
			t.Errorf("the token %q was not shown", token)
		}
	}
	write("kubeconfig", strings.NewReplacer("SERVER", api.URL).Replace(`
current-context: a
contexts: [{name: b, context: {cluster: no, user: no}}, {name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "SERVER/", certificate-authority: ca.crt}}]
users: [{name: u, user: {tokenFile: token}}]
`))
	if w.Client, err = Connect(filepath.Join(dir, "kubeconfig")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Client.Close)
	if got := stateOf(w.Read(t.Context())); got != tagging("v1") {
		t.Errorf("Read by a kubeconfig = %q", got)
	}
}

func pemOf(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func TestBadKubeconfig(t *testing.T) {
	t.Parallel()
	const context = "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: https://127.0.0.1:1}}]\n"
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", `the context "" has no server`},
		{"no YAML", "a: [", "the kubeconfig "},
		{"no server", "current-context: a\n", `the context "a" has no server`},
		{"exec", context + "users: [{name: u, user: {exec: {command: aws}}}]", "run kubectl proxy"},
		{"another user", context + "users: [{name: u, user: {token: t, as: nobody}}]", "run kubectl proxy"},
		{"a missing certificate", context + "users: [{name: u, user: {client-certificate: no.crt}}]", "no.crt"},
		{"bad base64", context + "users: [{name: u, user: {client-certificate-data: '?'}}]", "base64"},
		{"a bad authority", strings.Replace(context, "server:", "certificate-authority-data: YQ==, server:", 1), "not a certificate in PEM"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Connect(path); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Connect: %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestParseReference(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want Reference // zero: refused
	}{
		{"configmap://a/b", Reference{"a", "b", ""}},
		{"configmap://a/b/rules.yaml", Reference{"a", "b", "rules.yaml"}},
		{"configmap://a", Reference{}},
		{"configmap:///b", Reference{}},
		{"configmap://a/b/", Reference{}},
		{"configmap://a/b/c/d", Reference{}},
		{"configmap://a/../c", Reference{}},
		{"configmap://a/b?x", Reference{}},
		{"rules.yaml", Reference{}},
	} {
		got, err := ParseReference(tt.text)
		if got != tt.want || (err == nil) != (tt.want != Reference{}) {
			t.Errorf("ParseReference(%q) = %v, %v, want %v", tt.text, got, err, tt.want)
		}
		if err == nil && got.String() != tt.text {
			t.Errorf("%q is printed as %q", tt.text, got)
		}
	}
}
