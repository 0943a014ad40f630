package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/deploy"
	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
)

// TestVisitorsExample runs deploy/envoy/visitors.yaml with its rules: each sort of key is
// seen, a match holds, and a visitor is given the cookie and keeps the version.
func TestVisitorsExample(t *testing.T) {
	envoytest.Each(t, testVisitorsExample)
}

// startShop runs an application that answers with its name and the tag that it is sent.
func startShop(t *testing.T, name string) (port int) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", name, r.Header.Get("X-Asm-Prefer-Tag"))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().(*net.TCPAddr).Port
}

func testVisitorsExample(t *testing.T, binary string) {
	t.Helper()
	t.Parallel()
	rulesFile := filepath.Join(t.TempDir(), "rules.yaml")
	writeFile(t, rulesFile, deploy.VisitorsRules)
	p := startOn(t, "127.0.0.1:0", rulesFile, "--max-request-headers", "200", "--max-request-headers-kb", "128")
	// A busy machine is not what is tested.
	patient := strings.Replace(deploy.EnvoyVisitors, "message_timeout: 0.200s", "message_timeout: 60s", 1)
	config, err := envoy.Template(patient, map[int]int{
		9901: 0, 10000: 0, 9002: p.port(t), 10110: startShop(t, "baseline"), 10111: startShop(t, "canary"),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	gateway := startEnvoy(t, binary, config, nil)

	const shop, none, s1, s2 = "shop.example.com", "baseline ", "baseline s1", "canary s2"
	ask := func(b *browser, path string, header http.Header) (string, http.Header) {
		t.Helper()
		return b.visit(t, gateway.Listeners["ingress"], path, header)
	}
	for _, tt := range []struct {
		name, path string
		header     http.Header
		want       string
	}{
		{"a header", "/checkout", http.Header{"Host": {shop}, "X-User-Id": {"jack"}}, s2},
		{"a cookie", "/checkout", http.Header{"Host": {shop}, "Cookie": {"uid=jason"}}, s1},
		{"another path", "/", http.Header{"Host": {shop}, "X-User-Id": {"jack"}}, none},
		{"another host", "/checkout", http.Header{"Host": {"example.com"}, "X-User-Id": {"jack"}}, none},
		{"forged", "/", http.Header{"Host": {shop}, "X-Asm-Prefer-Tag": {"s2"}}, none},
	} {
		got, answer := ask(&browser{}, tt.path, tt.header)
		if got != tt.want || answer.Values("Set-Cookie") != nil {
			t.Errorf("%s: %q answers, with cookies %q, want %q and none", tt.name, got, answer.Values("Set-Cookie"), tt.want)
		}
	}
	seen := map[string]bool{}
	for range 80 {
		b := browser{cookies: map[string]string{}}
		first, answer := ask(&b, "/checkout", http.Header{"Host": {shop}})
		if b.cookies["shop-visitor"] == "" || !strings.Contains(answer.Get("Cache-Control"), "private") {
			t.Fatalf("a visitor is answered with %v, want a cookie and cache-control: private", answer)
		}
		seen[first] = true
		for range 3 {
			if again, _ := ask(&b, "/checkout", http.Header{"Host": {shop}}); again != first {
				t.Fatalf("a visitor was at %q and comes to %q", first, again)
			}
		}
	}
	// 80 visitors at 20% are all of one version once in 50 million runs.
	if !seen[s1] || !seen[s2] {
		t.Errorf("80 visitors are at %v, want both versions", seen)
	}

	// Without tagproc nothing breaks: no tag, and no cookie.
	p.stop(t)
	if got, answer := ask(&browser{}, "/checkout", http.Header{"Host": {shop}}); got != none || answer.Values("Set-Cookie") != nil {
		t.Errorf("without tagproc %q answers, with cookies %q, want %q and none", got, answer.Values("Set-Cookie"), none)
	}
}
