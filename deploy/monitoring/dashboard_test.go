package monitoring

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/promql/promqltest"
	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/admin"
	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
	"github.com/tagproc/tagproc/traffic"
)

// foreign are the metrics of others, as they name and label them. Tests of operations.md
// look for those of ext_proc at real Envoys.
var foreign = []string{
	`istio_requests_total{reporter="destination", destination_workload="app", destination_version="v2", response_code="200"} 0 99 99`,
	`istio_requests_total{reporter="destination", destination_workload="app", destination_version="v2", response_code="503"} 0 1 1`,
	`istio_request_duration_milliseconds_bucket{reporter="destination", destination_workload="app", destination_version="v2", le="5"} 0 90 90`,
	`istio_request_duration_milliseconds_bucket{reporter="destination", destination_workload="app", destination_version="v2", le="+Inf"} 0 100 100`,
	`envoy_cluster_upstream_rq_xx{envoy_cluster_name="s2", envoy_response_code_class="2"} 0 100 100`,
	`envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="s2", le="5"} 0 90 90`,
	`envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="s2", le="+Inf"} 0 100 100`,
	`envoy_http_ext_proc_tagproc_streams_started 0 100 100`, `envoy_http_ext_proc_tagproc_streams_failed 0 1 1`, `envoy_http_ext_proc_tagproc_message_timeouts 0 1 1`,
	`envoy_http_ext_proc_tagproc_failure_mode_allowed 0 1 1`, `envoy_http_ext_proc_tagproc_rejected_header_mutations 0 1 1`,
}

// TestDashboard compares the dashboard with its file, and runs its queries over what a real
// tagproc exports: each returns something.
func TestDashboard(t *testing.T) {
	t.Parallel()
	text, err := Dashboard()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "dashboard.json", string(text))
	suite, err := promqltest.NewLazyLoader("load 60s\n  "+strings.Join(append(exported(t), foreign...), "\n  ")+"\n", promqltest.LazyLoaderOpts{})
	if err != nil {
		t.Fatal(err)
	}
	defer suite.Close()
	at := time.Unix(120, 0)
	var results map[string]int
	suite.WithSamplesTill(at, func(err error) {
		if err != nil {
			t.Fatal(err)
		}
		results = map[string]int{}
		for _, r := range rows {
			for _, p := range r.panels {
				for _, q := range p.queries {
					made, err := suite.QueryEngine().NewInstantQuery(t.Context(), suite.Storage(), nil, strings.ReplaceAll(q.expr, "$__rate_interval", "2m"), at)
					if err != nil {
						t.Fatalf("%s: %v", q.expr, err)
					}
					answer := made.Exec(t.Context())
					vector, err := answer.Vector()
					if err != nil || len(vector) == 0 {
						t.Errorf("%s: %s returns %v, %v", p.title, q.expr, vector, err)
					}
					for _, sample := range vector {
						for _, name := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(q.legend, -1) {
							if name[1] != "tag" && !sample.Metric.Has(name[1]) { // no tag is an empty one
								t.Errorf("%s: a line has no %s: %v", p.title, name[1], sample.Metric)
							}
						}
					}
					results[q.expr] = len(vector)
				}
			}
		}
	})
	if results[observed] != 3 || results[expected] != 3 {
		t.Errorf("%d observed and %d expected shares are shown, want those of both tags and of no tag", results[observed], results[expected])
	}
}

// TestDashboardIsDocumented checks that operations.md names the metrics of ext_proc that
// the dashboard has: another test looks for those at real Envoys.
func TestDashboardIsDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		for _, p := range r.panels {
			for _, q := range p.queries {
				for _, name := range regexp.MustCompile(`envoy_http_\w+`).FindAllString(q.expr, -1) {
					if !strings.Contains(string(doc), name) {
						t.Errorf("docs/operations.md does not name %s", name)
					}
				}
			}
		}
	}
}

// exported returns what a tagproc exports, before and after requests.
func exported(t *testing.T) (series []string) {
	t.Helper()
	table, problems := rules.Load("rules.yaml", []byte(`rules:
- {name: lane, header: x-user-id, tagHeader: tag, policies: [{range: 20, tagValue: s2}, {tagValue: s1, ramp: [{at: 2020-01-01T00:00:00Z, range: 100}, {at: 2099-01-01T00:00:00Z, range: 90}], allowDecrease: true}]}
`), rules.Options{})
	if table == nil {
		t.Fatal(problems.Err())
	}
	registry := prometheus.NewRegistry()
	p := processor.New(processor.Options{Registerer: registry})
	t.Cleanup(func() { p.SetTable(nil) })
	reloads := admin.NewReloads(registry)
	registry.MustRegister(&admin.Replica{Reloads: reloads, Traffic: traffic.New(p.Counts)})
	p.SetTable(table)
	reloads.Record(rulefile.Load{Table: table})
	before := gather(t, registry)
	for i := range 200 {
		msg, err := proto.Marshal(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{
			Headers: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: "x-user-id", RawValue: fmt.Append(nil, i)}}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		p.NewStream().Reply(nil, msg)
	}
	for name, value := range gather(t, registry) {
		series = append(series, fmt.Sprintf("%s %g %g %g", name, before[name], value, value))
	}
	return series
}

// gather returns the values of a registry by their series.
func gather(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			add := func(suffix string, value float64, more ...string) {
				labels := more
				for _, l := range m.GetLabel() {
					labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
				}
				values[f.GetName()+suffix+"{"+strings.Join(labels, ", ")+"}"] = value
			}
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				add("", m.GetCounter().GetValue())
			case dto.MetricType_GAUGE:
				add("", m.GetGauge().GetValue())
			case dto.MetricType_HISTOGRAM:
				for _, b := range m.GetHistogram().GetBucket() {
					add("_bucket", float64(b.GetCumulativeCount()), fmt.Sprintf(`le="%g"`, b.GetUpperBound()))
				}
				add("_bucket", float64(m.GetHistogram().GetSampleCount()), `le="+Inf"`)
			}
		}
	}
	return values
}
