package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/mesh"
)

// TestVerifiedIdentity checks what SECURITY.md promises of the configuration that it
// shows: the key is the subject of a token, and nothing else can fill it in.
func TestVerifiedIdentity(t *testing.T) {
	text, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^ {3}```yaml\n(.*?\n) {3}```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("SECURITY.md has %d blocks, want 2", len(blocks))
	}
	secret := []byte("a secret that only the test knows")
	jwks := filepath.Join(t.TempDir(), "jwks.json")
	writeFile(t, jwks, fmt.Appendf(nil, `{"keys": [{"kty": "oct", "alg": "HS256", "k": %q}]}`, base64.RawURLEncoding.EncodeToString(secret)))
	indent := regexp.MustCompile(`(?m)^ {3}`) // of the list that the blocks stand in
	early := indent.ReplaceAllString(blocks[0][1], "")
	filter := strings.Replace(indent.ReplaceAllString(blocks[1][1], ""), "/etc/envoy/jwks.json", jwks, 1)

	bearer := func(secret []byte, subject string) string {
		encode := base64.RawURLEncoding.EncodeToString
		claims, err := json.Marshal(map[string]any{"iss": "https://issuer.example", "sub": subject, "exp": 4102444800})
		if err != nil {
			t.Fatal(err)
		}
		signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(claims)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(signed))
		return "Bearer " + signed + "." + encode(mac.Sum(nil))
	}

	envoytest.Each(t, func(t *testing.T, envoy string) {
		t.Helper()
		t.Parallel()
		dir := t.TempDir()
		socket, rulesFile := filepath.Join(dir, "tagproc.sock"), filepath.Join(dir, "rules.yaml")
		writeFile(t, rulesFile, []byte("rules: [{header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}]\n"))
		start(t, socket, rulesFile)
		m := startMeshWith(t, mesh.Options{Binary: envoy, Tagproc: &net.UnixAddr{Name: socket, Net: "unix"}, Edit: func(config string) string {
			config = insertBefore(t, config, "              - remove_on_match: {key_matcher: {safe_regex: {regex: \"x[", early)
			return insertBefore(t, config, "          - name: tagproc\n", filter)
		}})
		// jack is in bucket 2 and stacy in bucket 25.
		for _, tt := range []struct {
			name   string
			header http.Header
			tag    string
		}{
			{"a token", http.Header{"Authorization": {bearer(secret, "jack")}}, "s2"},
			{"another token", http.Header{"Authorization": {bearer(secret, "stacy")}}, "s1"},
			{"a token and a forged key", http.Header{"Authorization": {bearer(secret, "stacy")}, "X-User-Id": {"jack", "jack"}}, "s1"},
			{"a forged key alone", http.Header{"X-User-Id": {"jack"}}, ""},
			{"nothing", http.Header{}, ""},
		} {
			trace, err := m.Get(t.Context(), "mocka", tt.header)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if got := strings.Join(trace[0].Tags["x-asm-prefer-tag"], ", "); got != tt.tag {
				t.Errorf("%s: tag = %q, want %q", tt.name, got, tt.tag)
			}
		}
		forged := http.Header{"Authorization": {bearer([]byte("another secret"), "jack")}, "X-User-Id": {"jack"}}
		if trace, err := m.Get(t.Context(), "mocka", forged); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("a forged token: %v, %v, want 401", trace, err)
		}
	})
}
