package e2e

import (
	"bytes"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/authority"
	"github.com/tagproc/tagproc/internal/chain"
	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/transcript"
)

// A standalone is an Envoy with what `tagproc render envoy` prints, before versions of
// somebody's service.
type standalone struct {
	ingress string
	client  net.IP // that asks; nil: any
	log     *transcript.Transcript
}

// services runs a service in versions, and returns where they listen.
func services(t *testing.T, versions ...string) (addresses []string) {
	t.Helper()
	for _, v := range versions {
		s, err := chain.Start("app", v, "")
		if err != nil {
			t.Fatal(err)
		}
		atEnd(t, s.Close)
		addresses = append(addresses, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port())))
	}
	return addresses
}

// A place has a rules file, and room for a socket of tagproc.
type place struct{ dir, rulesFile, socket string }

func newPlace(t *testing.T, rules string) place {
	t.Helper()
	dir := t.TempDir()
	p := place{dir, filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "tagproc.sock")}
	writeFile(t, p.rulesFile, []byte(rules))
	return p
}

// routes runs the services default and s2, and returns the flags that lead there for
// standaloneRules.
func routes(t *testing.T) []string {
	t.Helper()
	at := services(t, "default", "s2")
	return []string{"--route", "s2=" + at[1], "--route", "v2=" + at[0], "--default", at[0]}
}

// startStandalone renders the configuration for a rules file with flags, and runs it.
func startStandalone(t *testing.T, envoyBinary, rulesFile string, flags ...string) standalone {
	t.Helper()
	return startEdited(t, envoyBinary, rulesFile, func(config string) string { return config }, flags...)
}

// startEdited does the same with an edit of the configuration.
func startEdited(t *testing.T, envoyBinary, rulesFile string, edit func(config string) string, flags ...string) standalone {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, append([]string{"render", "envoy", "--rules", rulesFile, "--timeout", "30s"}, flags...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	config, err := command.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("render envoy: %v\n%s", err, stderr.Bytes())
	}
	config, err = envoy.Template(edit(string(config)), map[int]int{9901: 0, 10000: 0}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := standalone{log: &transcript.Transcript{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of Envoy:\n%s", s.log.String())
		}
	})
	s.ingress = startEnvoy(t, envoyBinary, config, s.log).Listeners["ingress"]
	return s
}

// get returns the version that answers, the tag headers that it was sent, and the header
// of the answer.
func (s standalone) get(t *testing.T, path string, header http.Header) (version string, tags map[string][]string, answer http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.ingress+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Accept": {"application/json"}}
	maps.Copy(request.Header, header)
	request.Host = header.Get("Host")
	dialer := net.Dialer{}
	if s.client != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: s.client}
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return strconv.Itoa(response.StatusCode), nil, response.Header
	}
	var trace chain.Trace
	if err := json.NewDecoder(response.Body).Decode(&trace); err != nil {
		t.Fatal(err)
	}
	return trace[0].Version, trace[0].Tags, response.Header
}

// standaloneRules have several tag headers, a match, cookies and visitors. jack is in
// bucket 2, stacy in bucket 25.
const standaloneRules = `
tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
rules:
- name: lane
  header: x-user-id
  tagHeader: x-asm-prefer-tag
  policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]
- name: checkout
  match: {hosts: [shop.example.com], paths: [{prefix: /checkout}]}
  keys: [{cookie: uid}, {visitor: {cookie: v}}]
  tagHeader: appver-shop
  policies: [{range: 100, tagValue: v2}]
`

// TestStandalone checks what `tagproc render envoy` prints from a client's side: tags
// choose the version, the first route of several wins, forged tags choose nothing in any
// spelling, visitors are given cookies, and without tagproc everybody reaches the default.
func TestStandalone(t *testing.T) {
	envoytest.Each(t, testStandalone)
}

func testStandalone(t *testing.T, envoyBinary string) {
	t.Helper()
	t.Parallel()
	at, to := newPlace(t, standaloneRules), services(t, "default", "s2", "shop")
	s := startStandalone(t, envoyBinary, at.rulesFile, "--address", "unix://"+at.socket,
		"--route", "appver-shop=v2="+to[2], "--route", "s2="+to[1], "--default", to[0])
	p := start(t, at.socket, at.rulesFile, "--metadata", "--max-request-headers", "200", "--max-request-headers-kb", "128")

	shop := func(more http.Header) http.Header {
		h := http.Header{"Host": {"shop.example.com"}}
		maps.Copy(h, more)
		return h
	}
	for _, tt := range []struct {
		name, path string
		header     http.Header
		want       string
		lane       string // the tag that the service sees
	}{
		{"a user of the canary", "/", http.Header{"X-User-Id": {"jack"}}, "s2", "s2"},
		{"a user of the baseline", "/", http.Header{"X-User-Id": {"stacy"}}, "default", "s1"},
		{"nobody", "/", nil, "default", ""},
		{"two tags: the first route", "/checkout/1", shop(http.Header{"X-User-Id": {"jack"}, "Cookie": {"uid=7"}}), "shop", "s2"},
		{"another path", "/checkouts", shop(http.Header{"X-User-Id": {"jack"}, "Cookie": {"uid=7"}}), "s2", "s2"},
		{"another host", "/checkout", http.Header{"Cookie": {"uid=7"}}, "default", ""},
		{"a forged tag", "/", http.Header{"X-Asm-Prefer-Tag": {"s2"}}, "default", ""},
		{"a forged tag of another header", "/", http.Header{"Appver-Shop": {"v2"}, "appver_shop": {"v2"}}, "default", ""},
		{"a forged tag beside a user", "/", http.Header{"X-Asm-Prefer-Tag": {"s2"}, "X-User-Id": {"stacy"}}, "default", "s1"},
	} {
		version, tags, _ := s.get(t, tt.path, tt.header)
		if got := strings.Join(tags["x-asm-prefer-tag"], ", "); version != tt.want || got != tt.lane {
			t.Errorf("%s: reaches %s with the tag %q, want %s with %q", tt.name, version, got, tt.want, tt.lane)
		}
	}
	// A visitor is given a cookie, once, and comes back with it.
	version, _, answer := s.get(t, "/checkout", shop(nil))
	cookies := answer.Values("Set-Cookie")
	if version != "shop" || len(cookies) != 1 || answer.Get("Cache-Control") != "private" {
		t.Fatalf("a visitor reaches %s and is given %q, cache-control %q", version, cookies, answer.Get("Cache-Control"))
	}
	cookie, _, _ := strings.Cut(cookies[0], ";")
	if version, _, answer := s.get(t, "/checkout", shop(http.Header{"Cookie": {cookie}})); version != "shop" || answer.Get("Set-Cookie") != "" {
		t.Errorf("a visitor who comes back reaches %s and is given %q", version, answer.Values("Set-Cookie"))
	}
	id := strings.TrimPrefix(cookie, "v=")
	eventually(t, "the access log has the tag, the route and the reason", func() bool {
		return strings.Contains(s.log.String(), " x-asm-prefer-tag=s2 appver-shop=- route=s2 status=200 flags=- tagproc=0 why={")
	})

	p.stop(t)
	for _, header := range []http.Header{
		{"X-User-Id": {"jack"}},
		{"X-Asm-Prefer-Tag": {"s2"}},
		{"x_asm_prefer_tag": {"s2"}, "x-asm.prefer_tag": {"s2"}},
		{"Appver-Shop": {"v2"}},
	} {
		if version, tags, _ := s.get(t, "/", header); version != "default" || len(tags) > 0 {
			t.Errorf("without tagproc %v reaches %s with %v, want the default and no tag", header, version, tags)
		}
	}
	eventually(t, "the access log says that tagproc is not there", func() bool {
		return strings.Contains(s.log.String(), "route=default status=200 flags=- tagproc=14 why=-")
	})
	if log := s.log.String(); strings.Contains(log, id) || strings.Contains(log, "jack") {
		t.Error("the log of Envoy has an id")
	}
}

// TestStandaloneFailClosed checks that with --fail-closed a request that nobody decides on
// is an error.
func TestStandaloneFailClosed(t *testing.T) {
	envoytest.Each(t, func(t *testing.T, envoyBinary string) {
		t.Helper()
		t.Parallel()
		at := newPlace(t, standaloneRules)
		s := startStandalone(t, envoyBinary, at.rulesFile, append(routes(t), "--fail-closed", "--address", "unix://"+at.socket)...)
		if version, _, _ := s.get(t, "/", http.Header{"X-User-Id": {"jack"}}); version != "500" {
			t.Errorf("a request without tagproc reaches %s, want 500", version)
		}
	})
}

// TestStandaloneReplicas kills one of two tagprocs: the other one answers what the first
// would have.
func TestStandaloneReplicas(t *testing.T) {
	envoytest.Each(t, func(t *testing.T, envoyBinary string) {
		t.Helper()
		t.Parallel()
		at := newPlace(t, standaloneRules)
		s := startStandalone(t, envoyBinary, at.rulesFile, append(routes(t), "--address", "unix://"+at.dir+"/a.sock,unix://"+at.dir+"/b.sock")...)
		a := start(t, at.dir+"/a.sock", at.rulesFile)
		start(t, at.dir+"/b.sock", at.rulesFile)
		ask := func(when string) {
			t.Helper()
			for range 20 {
				if version, _, _ := s.get(t, "/", http.Header{"X-User-Id": {"jack"}}); version != "s2" {
					t.Fatalf("%s jack reaches %s, want s2", when, version)
				}
			}
		}
		ask("with two tagprocs")
		a.kill(t)
		ask("after one was killed")
	})
}

// TestStandaloneTLS checks that Envoy and tagproc know each other by what --tls-ca,
// --tls-cert and --tls-key name, over a name and over an address.
func TestStandaloneTLS(t *testing.T) {
	ours := authority.New(t, "ours")
	envoytest.Each(t, func(t *testing.T, envoyBinary string) {
		t.Helper()
		t.Parallel()
		at := newPlace(t, standaloneRules)
		dir := at.dir
		writeFile(t, filepath.Join(dir, "ca.crt"), authority.CertificatePEM(ours.Certificate))
		issue(t, ours, dir, "tls.crt", "tls.key")
		issue(t, ours, dir, "envoy.crt", "envoy.key")
		p := startOn(t, "127.0.0.1:0", at.rulesFile, "--tls-cert", dir+"/tls.crt", "--tls-key", dir+"/tls.key", "--tls-client-ca", dir+"/ca.crt")
		leading := routes(t)
		for _, tt := range []struct {
			host, name, want string
			flags            []string
		}{
			{"127.0.0.1", authority.ServerName, "s2", []string{"--tls-cert", dir + "/envoy.crt", "--tls-key", dir + "/envoy.key"}},
			{"localhost", authority.ServerName, "s2", []string{"--tls-cert", dir + "/envoy.crt", "--tls-key", dir + "/envoy.key"}},
			{"127.0.0.1", "other.example", "default", []string{"--tls-cert", dir + "/envoy.crt", "--tls-key", dir + "/envoy.key"}},
			{"127.0.0.1", authority.ServerName, "default", nil}, // Envoy shows no certificate
		} {
			flags := slices.Concat(leading, tt.flags, []string{
				"--address", net.JoinHostPort(tt.host, strconv.Itoa(p.port(t))), "--tls-ca", dir + "/ca.crt", "--tls-name", tt.name,
			})
			s := startStandalone(t, envoyBinary, at.rulesFile, flags...)
			if version, _, _ := s.get(t, "/", http.Header{"X-User-Id": {"jack"}}); version != tt.want {
				t.Errorf("%v: jack reaches %s, want %s", tt, version, tt.want)
			}
		}
	})
}
