package monitoring

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/authority"
	"github.com/tagproc/tagproc/internal/hostile"
	"github.com/tagproc/tagproc/internal/mesh"
)

// quickly makes the minutes for which an alert has to hold seconds. The windows of rates stay.
func quickly(t *testing.T, alerts string) string {
	t.Helper()
	return regexp.MustCompile(`(?m)^( +for: \d+)m$`).ReplaceAllString(alerts, "${1}s")
}

// asUsers is the environment of a tagproc that nothing is done to.
const asUsers = ""

// TestFire has each alert fire in a real Prometheus, which scrapes real replicas of tagproc
// and a real Envoy, and then runs the queries of the dashboard there. None fires before
// something is wrong.
func TestFire(t *testing.T) {
	binary := findPrometheus(t)
	t.Logf("Prometheus: %s", binary)
	text, err := os.ReadFile("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := os.ReadFile("../envoy/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rules := string(shipped)
	certificates := authority.New(t, "tagproc")
	files := t.TempDir()
	certificate, key := filepath.Join(files, "tls.crt"), filepath.Join(files, "tls.key")
	pair := certificates.IssueFor(t, "tagproc", time.Now().Add(-time.Hour), time.Now().Add(100*24*time.Hour))
	renew := func() {
		t.Helper()
		if err := errors.Join(os.WriteFile(key, authority.KeyPEM(t, pair), 0o600), os.WriteFile(certificate, authority.CertificatePEM(pair.Leaf), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	renew()

	replicas := map[string]*tagproc{
		"gateway": startTagproc(t, rules, asUsers, "--max-request-headers", "200", "--max-request-headers-kb", "128"),
		"tls":     startTagproc(t, rules, asUsers, "--tls-cert", certificate, "--tls-key", key),
		"refused": startTagproc(t, rules, asUsers),
		"narrow":  startTagproc(t, rules, asUsers, "--max-request-headers", "1"),
		"closed":  startTagproc(t, rules, asUsers, "--max-connections", "1"),
		"silent":  startTagproc(t, rules, asUsers, "--first-message-timeout", "100ms"),
		"full":    startTagproc(t, rules, asUsers, "--first-message-timeout", "1h"),
		"small":   startTagproc(t, rules, "GOMEMLIMIT=10MiB"),
		"panics":  startTagproc(t, rules, "TAGPROC_FAULT=panic"),
		"slow":    startTagproc(t, rules, "TAGPROC_FAULT=slow=3s", "--max-concurrent-decisions", "1"),
	}
	targets := map[string]string{}
	for name, r := range replicas {
		targets[name] = r.admin
	}
	gateway, err := net.ResolveTCPAddr("tcp", replicas["gateway"].listen)
	if err != nil {
		t.Fatal(err)
	}
	m, err := mesh.Start(t.Context(), mesh.Options{Tagproc: gateway})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	})
	ask := requests(t, m)
	p := startPrometheus(t, quickly(t, string(text)), m.Envoy.Admin, targets)
	eventually(t, "all is well, and Prometheus has seen it", func() bool {
		ask()
		alerts, ok := p.alerts(t)
		alerts = slices.DeleteFunc(alerts, func(a alert) bool { return a.Labels["instance"] == "small" })
		return ok && len(alerts) == 0 && p.results(t, `up == 1`) == len(replicas)+1 && p.results(t, `rate(envoy_http_ext_proc_tagproc_streams_started[2m]) > 0`) > 0
	})

	fired := map[string][]string{} // instances, by name
	look := func() {
		alerts, _ := p.alerts(t)
		for _, a := range alerts {
			if of := a.Labels["instance"]; a.State == "firing" && !slices.Contains(fired[a.Labels["alertname"]], of) {
				fired[a.Labels["alertname"]] = append(fired[a.Labels["alertname"]], of)
			}
		}
	}
	fire := func(name, instance string, keep func()) {
		t.Helper()
		eventually(t, fmt.Sprintf("%s fires for %q", name, instance), func() bool {
			if keep != nil {
				keep()
			}
			look()
			return slices.Contains(fired[name], instance)
		})
		t.Logf("%s fires for %q", name, instance)
	}

	fire("TagprocMemory", "small", nil)
	// Those that what replicas are told, or asked, is the cause of.
	replicas["refused"].write(t, strings.Replace(rules, "range: 20", "range: 120", 1))
	// A tag that Envoy does not let pass, a key that it does not send, and a ramp.
	replicas["gateway"].write(t, fmt.Sprintf(`rules:
- {name: other, header: x-user-id, tagHeader: x-other, policies: [{tagValue: s2, ramp: [{at: %s, range: 50}]}, {range: 100, tagValue: s1}]}
- {name: lost, header: x-nobody, tagHeader: x-lost, policies: [{range: 50, tagValue: on}]}
`, time.Now().Add(40*time.Minute).Format(time.RFC3339)))
	peers := map[string]func(p *hostile.Peer) error{
		"narrow": func(p *hostile.Peer) error { return p.Ask(0) },
		"panics": func(p *hostile.Peer) error { return p.Ask(0) },
		"slow":   func(p *hostile.Peer) error { return errors.Join(p.Ask(0), p.Ask(1), p.Ask(2), p.Ask(3)) },
	}
	for name, say := range peers {
		eventually(t, name+" is asked", func() bool { return send(t, replicas[name].listen, say) == nil })
	}
	for range 3 {
		conn, err := net.Dial("tcp", replicas["closed"].listen)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	open := func(name string, connections int) {
		t.Helper()
		for range connections {
			if err := send(t, replicas[name].listen, func(p *hostile.Peer) error {
				for n := range 2500 {
					if err := p.Open(n); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	open("silent", 1)
	open("full", 6)
	fire("TagprocRulesRefused", "refused", nil)
	fire("TagprocDigestsDiffer", "", nil)
	fire("TagprocRampEnds", "gateway", nil)
	fire("TagprocTagsRejected", "", ask)
	fire("TagprocOverLimits", "", nil)
	fire("TagprocPanics", "", nil)
	fire("TagprocShedding", "", nil)
	fire("TagprocConnectionsRefused", "closed", nil)
	fire("TagprocSilentStreams", "silent", nil)
	fire("TagprocStreamsRefused", "full", nil)
	fire("TagprocRuleDecidesNothing", "", ask)

	pair = certificates.IssueFor(t, "tagproc", time.Now().Add(-time.Hour), time.Now().Add(3*24*time.Hour))
	renew()
	fire("TagprocCertificateExpires", "tls", nil)
	if err := os.WriteFile(certificate, []byte("no certificate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fire("TagprocCertificateRefused", "tls", nil)

	for _, r := range rows {
		for _, panel := range r.panels {
			for _, q := range panel.queries {
				if strings.Contains(q.expr, "istio_") {
					continue // there is no Istio here: TestDashboard has its metrics as Istio documents them
				}
				eventually(t, panel.title+" has data: "+q.expr, func() bool {
					ask()
					return p.results(t, strings.ReplaceAll(q.expr, "$__rate_interval", "5m")) > 0
				})
			}
		}
	}

	for _, r := range replicas {
		r.kill()
	}
	fire("TagprocDown", "", ask)
	fire("TagprocRequestsUntagged", "", ask)

	var unfired []string
	for _, name := range regexp.MustCompile(`(?m)- alert: (\w+)$`).FindAllStringSubmatch(string(text), -1) {
		if fired[name[1]] == nil {
			unfired = append(unfired, name[1])
		}
	}
	if unfired != nil || len(fired) < 15 {
		t.Errorf("fired have %q, and these have not: %q", slices.Sorted(maps.Keys(fired)), unfired)
	}
}

// requests returns what sends some requests of users through Envoy, and does not mind how
// they end.
func requests(t *testing.T, m *mesh.Mesh) (ask func()) {
	t.Helper()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	t.Cleanup(client.CloseIdleConnections)
	user := 0
	return func() {
		for range 50 {
			user++
			request, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, "http://"+m.Ingress(), http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = "app-a"
			request.Header.Set("X-User-Id", fmt.Sprintf("user-%d", user))
			if response, err := client.Do(request); err == nil {
				response.Body.Close()
			}
		}
	}
}

// send says something to a replica on a connection of its own, which stays open.
func send(t *testing.T, address string, say func(p *hostile.Peer) error) error {
	t.Helper()
	p, err := hostile.Greet(t.Context(), address)
	if err != nil {
		return err
	}
	t.Cleanup(p.Close)
	return errors.Join(say(p), p.Send())
}
