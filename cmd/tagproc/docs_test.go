package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/mesh"
	"github.com/tagproc/tagproc/transport"
)

func readDoc(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section returns the part of a document below a heading of the second level.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n## "+heading+"\n")
	if !found {
		t.Fatalf("there is no section %q", heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	return rest
}

// rows returns the rows of all tables in text, by what stands first, in backquotes.
func rows(text string) map[string][]string {
	rows := map[string][]string{}
	for _, line := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|(.*)\\|$").FindAllStringSubmatch(text, -1) {
		for cell := range strings.SplitSeq(line[2], " | ") {
			rows[line[1]] = append(rows[line[1]], strings.TrimSpace(cell))
		}
	}
	return rows
}

var backquoted = regexp.MustCompile("`([^`]+)`")

// TestDocsFlags checks that docs/operations.md has every flag of serve, with its
// default, and no other.
func TestDocsFlags(t *testing.T) {
	t.Parallel()
	documented := rows(section(t, readDoc(t, "../../docs/operations.md"), "The flags of serve"))
	flags := newServeCommand().Flags()
	for _, m := range regexp.MustCompile(`(?m)^ +--([a-z-]+)`).FindAllStringSubmatch(flags.FlagUsages(), -1) {
		name := m[1]
		row := documented["--"+name]
		delete(documented, "--"+name)
		if len(row) != 2 || row[1] == "" {
			t.Errorf("--%s is not in the table", name)
			continue
		}
		want := strings.Trim(flags.Lookup(name).DefValue, "[]")
		if got := strings.Trim(row[0], "`"); got != want {
			t.Errorf("the default of --%s is documented as %q, want %q", name, got, want)
		}
	}
	for name := range documented {
		t.Errorf("the table has %s, which serve does not", name)
	}
}

// A metric as Prometheus sees it.
type metric struct {
	kind   string
	labels map[string][]string // the values of each label
}

// scrape returns what serve exports, with all that flags can switch on, as text
// and by name.
func scrape(t *testing.T) (string, map[string]metric) {
	t.Helper()
	dir := t.TempDir()
	certificates := transport.CertificateFiles{Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	writeCertificate(t, certificates)
	s, err := newServer(t.Context(), serverOptions{
		rulesFile: "configmap://shop/rules", kubeconfig: kubeconfigOf(t, oneRule), listen: []string{"127.0.0.1:0"}, admin: "127.0.0.1:0", tls: certificates, log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	s.apply(s.first)
	for d := range contract.UnknownDirection + 1 { // whose series appear with the first message
		s.processor.NewStreamOf(d).Reply(nil, nil)
	}
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String(), metricsOf(w.Body.String())
}

// kubeconfigOf returns a kubeconfig for an API server that has rules in a ConfigMap.
func kubeconfigOf(t *testing.T, rules string) string {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_ = json.NewEncoder(w).Encode(map[string]any{"items": []any{map[string]any{"data": map[string]string{"rules.yaml": rules}}}})
	}))
	t.Cleanup(api.Close)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := "current-context: a\ncontexts: [{name: a, context: {cluster: a}}]\nclusters: [{name: a, cluster: {server: '" + api.URL + "'}}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// metricsOf reads the text format.
func metricsOf(text string) map[string]metric {
	metrics := map[string]metric{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		metrics[m[1]] = metric{m[2], map[string][]string{}}
	}
	for _, sample := range regexp.MustCompile(`(?m)^(\w+)\{(.*)\} \S+$`).FindAllStringSubmatch(text, -1) {
		for _, label := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(sample[2], -1) {
			if labels := metrics[sample[1]].labels; labels != nil && !slices.Contains(labels[label[1]], label[2]) {
				labels[label[1]] = append(labels[label[1]], label[2])
			}
		}
	}
	return metrics
}

// TestDocsMetrics checks that docs/operations.md has every metric of tagproc, with
// its labels, and no other.
func TestDocsMetrics(t *testing.T) {
	t.Parallel()
	text, metrics := scrape(t)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, name := range []string{
		"tagproc_config_last_reload_successful", "tagproc_config_last_reload_success_timestamp_seconds", "tagproc_rules_info", "tagproc_build_info",
		"process_resident_memory_bytes", "go_goroutines",
	} {
		if metrics[name].kind != "gauge" {
			t.Errorf("%s is %+v, want a gauge", name, metrics[name])
		}
	}

	documented := rows(section(t, readDoc(t, "../../docs/operations.md"), "The metrics"))
	for name, m := range metrics {
		if !strings.HasPrefix(name, "tagproc_") {
			continue
		}
		row := documented[name]
		delete(documented, name)
		if len(row) != 2 || row[1] == "" {
			t.Errorf("%s is not in the table", name)
			continue
		}
		var labels []string
		for _, l := range backquoted.FindAllStringSubmatch(row[0], -1) {
			labels = append(labels, l[1])
		}
		var want []string
		for l := range m.labels {
			want = append(want, l)
		}
		slices.Sort(labels)
		slices.Sort(want)
		if !slices.Equal(labels, want) {
			t.Errorf("the labels of %s are documented as %q, want %q", name, labels, want)
		}
		for kind, word := range map[string]string{"counter": "Counter. ", "histogram": "Histogram. "} {
			if strings.HasPrefix(row[1], word) != (m.kind == kind) {
				t.Errorf("%s is a %s, and documented as %q", name, m.kind, row[1])
			}
		}
	}
	for _, label := range []string{"direction", "outcome"} {
		for _, value := range metrics["tagproc_messages_total"].labels[label] {
			if len(documented[value]) != 1 {
				t.Errorf("the %s %s is not in the table", label, value)
			}
			delete(documented, value)
		}
	}
	for name := range documented {
		t.Errorf("the tables have %s, which is not exported", name)
	}
}

// metricName matches the names of metrics that stand in documents.
var metricName = regexp.MustCompile(`\b(?:tagproc|go|process|envoy)_\w+|\bup\b`)

// TestDocsAlerts checks that the alerts are whole, lead to rows of the table that
// says what to do, and do not page for one blip, and that the metrics which
// docs/operations.md names exist, with the values of their labels. TestDocsEnvoy
// looks for those of Envoy.
func TestDocsAlerts(t *testing.T) {
	t.Parallel()
	text := readDoc(t, "../../docs/operations.md")
	block := regexp.MustCompile("(?ms)^```yaml\n(.*?)\n```$").FindStringSubmatch(section(t, text, "Alerts"))
	if block == nil {
		t.Fatal("there is no YAML block")
	}
	if diff := cmp.Diff(readDoc(t, "../../deploy/monitoring/alerts.yaml"), block[1]+"\n"); diff != "" {
		t.Errorf("docs/operations.md shows other alerts than deploy/monitoring/alerts.yaml (-file +shown):\n%s", diff)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(block[1]), &file); err != nil {
		t.Fatal(err)
	}
	_, exported := scrape(t)
	symptoms := strings.ReplaceAll(section(t, text, "When something is wrong"), "`", "")
	window := regexp.MustCompile(`\brate\([^\[]*\[(\w+)\]`)
	alerts := map[string]bool{}
	for _, r := range file.Groups[0].Rules {
		alerts[r.Alert] = true
		if !strings.HasPrefix(r.Alert, "Tagproc") || !slices.Contains([]string{"page", "ticket"}, r.Labels["severity"]) || r.Annotations["summary"] == "" {
			t.Errorf("alert %+v has not its name, severity or summary", r)
		}
		for symptom := range strings.SplitSeq(r.Annotations["runbook"], "; ") {
			if symptom == "" || !strings.Contains(symptoms, "\n| "+symptom) {
				t.Errorf("alert %s leads to %q, and no row begins with that", r.Alert, symptom)
			}
		}
		if rate := window.FindStringSubmatch(r.Expr); rate != nil && r.Labels["severity"] == "page" {
			seen, err := time.ParseDuration(rate[1])
			lasting, errFor := time.ParseDuration(r.For)
			if err != nil || errFor != nil || lasting <= seen {
				t.Errorf("alert %s pages after %s of a rate over %s: one blip is enough", r.Alert, r.For, rate[1])
			}
		}
		if !metricName.MatchString(r.Expr) {
			t.Errorf("alert %s names no metric: %s", r.Alert, r.Expr)
		}
	}
	for _, name := range metricName.FindAllString(text, -1) {
		if exported[name].kind == "" && name != "up" && !strings.HasPrefix(name, "envoy_") {
			t.Errorf("there is no metric %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`(tagproc_\w+)\{(\w+)=~?"([^"]*)"\}`).FindAllStringSubmatch(text, -1) {
		for value := range strings.SplitSeq(m[3], "|") {
			if !slices.Contains(exported[m[1]].labels[m[2]], value) {
				t.Errorf("%s has no %s=%q", m[1], m[2], value)
			}
		}
	}
	for _, name := range regexp.MustCompile("`(Tagproc\\w+)`").FindAllStringSubmatch(text, -1) {
		if !alerts[name[1]] {
			t.Errorf("there is no alert %s", name[1])
		}
	}
}

// TestDocsEnvoy checks that the counters of Envoy that docs/operations.md names
// exist on every release, or on the one that stands beside them.
func TestDocsEnvoy(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(readDoc(t, "../../docs/operations.md"), "`…", "`http.ingress.ext_proc.tagproc.")
	counter := regexp.MustCompile("`((?:http\\.ingress\\.ext_proc|cluster)\\.tagproc\\.\\w+)`(?: \\((1\\.\\d+)\\))?")
	exported := regexp.MustCompile(`\benvoy_(?:http|cluster)_\w+`)
	envoytest.Each(t, func(t *testing.T, binary string) {
		t.Helper()
		m, err := mesh.Start(t.Context(), mesh.Options{Binary: binary, Tagproc: &net.UnixAddr{Name: t.TempDir() + "/t.sock", Net: "unix"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := m.Stop(); err != nil {
				t.Error(err)
			}
		})
		stats, metrics := get(t, "tcp", m.Envoy.Admin, "/stats"), metricsOf(get(t, "tcp", m.Envoy.Admin, "/stats/prometheus"))
		counters, names := counter.FindAllStringSubmatch(text, -1), exported.FindAllString(text, -1)
		if len(counters) < 20 || len(names) < 3 {
			t.Errorf("%d counters and %d metrics are found in the text, want them all", len(counters), len(names))
		}
		for _, c := range counters {
			if release := c[2]; release != "" && !strings.Contains(t.Name(), release+".") {
				continue
			}
			if !strings.Contains(stats, "\n"+c[1]+": ") {
				t.Errorf("Envoy has no %s", c[1])
			}
		}
		for _, name := range names {
			if metrics[name].kind != "counter" {
				t.Errorf("Envoy has no counter %s", name)
			}
		}
	})
}

// get returns what the server at an address answers to GET.
func get(t *testing.T, network, address, path string) string {
	t.Helper()
	return call(t, network, address, http.MethodGet, path, "")
}

// post returns what the server at a Unix socket answers to POST of a body.
func post(t *testing.T, socket, path, body string) string {
	t.Helper()
	return call(t, "unix", socket, http.MethodPost, path, body)
}

func call(t *testing.T, network, address, method, path, question string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://admin"+path, strings.NewReader(question))
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s, %v: %s", method, path, response.Status, err, body)
	}
	return string(body)
}
