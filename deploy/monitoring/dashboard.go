package monitoring

import (
	"encoding/json"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// A panel is one graph.
type panel struct {
	title, description, unit string
	queries                  []query
}

// A query is an expression, and what a line of its graph is called.
type query struct{ expr, legend string }

// A row is panels under one heading.
type row struct {
	title  string
	panels []panel
}

// decided are the requests that rules decided by their buckets.
const decided = `rate(tagproc_decisions_total{mode="enforce", reason=~"policy|no_policy"}[$__rate_interval])`

// observed is the share that each tag has of them.
const observed = `sum by (rule, tag) (` + decided + `) / on (rule) group_left () sum by (rule) (` + decided + `)`

const expected = `max by (rule, tag) (tagproc_expected_share)`

func rateOf(metric string) string { return `sum(rate(` + metric + `[$__rate_interval]))` }

var rows = []row{
	{"Where do people go?", []panel{
		{"Share of each tag", "Of the requests that a rule decides by their buckets, beside the expected one. It is of requests, not of people: users who send many weigh more.", units.PercentUnit, []query{
			{observed, "{{rule}} {{tag}}"}, {expected, "{{rule}} {{tag}}, expected"},
		}},
		{"Away from the expected share", "Small and around 0, if the rules decide what they say.", units.PercentUnit, []query{{`(` + observed + `) - on (rule, tag) ` + expected, "{{rule}} {{tag}}"}}},
		{"Decisions", "By rule and reason.", units.RequestsPerSecond, []query{{`sum by (rule, reason) (rate(tagproc_decisions_total[$__rate_interval]))`, "{{rule}} {{reason}}"}}},
		{"Next step of a ramp", "Seconds until it comes; below 0 it has come.", units.Seconds, []query{{`max by (step) (tagproc_ramp_step_timestamp_seconds{step=~"next|last"}) - time()`, "{{step}}"}}},
	}},
	{"Which version is well?", []panel{
		{"Success rate by version, from Istio", "What decides a promotion: answers without a 5xx.", units.PercentUnit, []query{
			{`sum by (destination_workload, destination_version) (rate(istio_requests_total{reporter="destination", response_code!~"5.."}[$__rate_interval])) / sum by (destination_workload, destination_version) (rate(istio_requests_total{reporter="destination"}[$__rate_interval]))`, "{{destination_workload}} {{destination_version}}"},
		}},
		{"Latency by version, from Istio", "99 of 100 requests are quicker.", units.Milliseconds, []query{
			{`histogram_quantile(0.99, sum by (destination_workload, destination_version, le) (rate(istio_request_duration_milliseconds_bucket{reporter="destination"}[$__rate_interval])))`, "{{destination_workload}} {{destination_version}}"},
		}},
		{"Success rate by cluster, from Envoy", "For an Envoy without Istio: each version is a cluster.", units.PercentUnit, []query{
			{`1 - (sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_xx{envoy_response_code_class="5"}[$__rate_interval])) or 0 * sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_xx[$__rate_interval]))) / sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_xx[$__rate_interval]))`, "{{envoy_cluster_name}}"},
		}},
		{"Latency by cluster, from Envoy", "99 of 100 requests are quicker.", units.Milliseconds, []query{
			{`histogram_quantile(0.99, sum by (envoy_cluster_name, le) (rate(envoy_cluster_upstream_rq_time_bucket[$__rate_interval])))`, "{{envoy_cluster_name}}"},
		}},
	}},
	{"tagproc", []panel{
		{"Requests by outcome", "tagged, cleaned and unchanged are well; docs/operations.md has the others.", units.RequestsPerSecond, []query{{`sum by (outcome) (rate(tagproc_messages_total[$__rate_interval]))`, "{{outcome}}"}}},
		{"Time of a reply", "Without gRPC.", units.Seconds, []query{
			{`histogram_quantile(0.5, sum by (le) (rate(tagproc_decision_duration_seconds_bucket[$__rate_interval])))`, "half"},
			{`histogram_quantile(0.99, sum by (le) (rate(tagproc_decision_duration_seconds_bucket[$__rate_interval])))`, "99 of 100"},
		}},
		{"Replicas by digest", "One line: all replicas decide alike.", units.Short, []query{{`count by (digest) (tagproc_rules_info)`, "{{digest}}"}}},
		{"Rules files", "Loads that were refused, and replicas whose file is refused now.", units.Short, []query{
			{`sum(increase(tagproc_config_loads_total{result="failure"}[$__rate_interval]))`, "refused loads"}, {`count(tagproc_config_last_reload_successful == 0) or vector(0)`, "replicas with a refused file"},
		}},
	}},
	{"Envoy's side", []panel{
		{"Requests without an answer", "They went on untagged, unless Envoy fails closed.", units.RequestsPerSecond, []query{
			{rateOf("envoy_http_ext_proc_tagproc_streams_started"), "asked"},
			{rateOf("envoy_http_ext_proc_tagproc_streams_failed"), "failed"},
			{rateOf("envoy_http_ext_proc_tagproc_message_timeouts"), "too late"},
			{rateOf("envoy_http_ext_proc_tagproc_failure_mode_allowed"), "untagged"},
		}},
		{"Tags that Envoy refused", "mutation_rules do not allow a tag header, or requests are too large for it.", units.RequestsPerSecond, []query{{rateOf("envoy_http_ext_proc_tagproc_rejected_header_mutations"), "refused"}}},
	}},
}

// Dashboard returns the dashboard as Grafana imports it.
func Dashboard() ([]byte, error) {
	source := common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}
	//nolint:staticcheck // the form that each Grafana in use imports; dashboardv2 needs a new one
	d := dashboard.NewDashboardBuilder("tagproc").Uid("tagproc").Tags([]string{"tagproc"}).Time("now-3h", "now").Refresh("30s").Timezone("browser").
		Description("Does 25% mean 25%, do all replicas agree, and which version is well?").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus"))
	for _, r := range rows {
		d.WithRow(dashboard.NewRowBuilder(r.title))
		for _, p := range r.panels {
			graph := timeseries.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Datasource(source).Span(12).Height(8)
			for _, q := range p.queries {
				graph.WithTarget(prometheus.NewDataqueryBuilder().Datasource(source).Expr(q.expr).LegendFormat(q.legend).Range())
			}
			d.WithPanel(graph)
		}
	}
	built, err := d.Build()
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(built, "", " ")
	return append(text, '\n'), err
}
