package monitoring

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

// interval is that of scrapes and of evaluations.
const interval = 15 * time.Second

// A situation is what Prometheus has seen, and the alerts that fire at some times.
type situation struct {
	name   string
	series []string // in the notation of promqltest, a value each 15 seconds: 4 a minute
	fires  map[time.Duration][]string
}

// ended is a counter of something that happened in the sixth minute, for an hour.
func ended(series string) string { return series + " 0x24 5x220" }

var situations = []situation{
	{"nothing is wrong", []string{
		`up{job="tagproc", instance="a"} 1x240`, `up{job="tagproc", instance="b"} 1x240`,
		`envoy_http_ext_proc_tagproc_streams_started{pod="g"} 0+1500x240`, `envoy_http_ext_proc_tagproc_failure_mode_allowed{pod="g"} 0x240`,
		`envoy_http_ext_proc_tagproc_rejected_header_mutations{pod="g"} 0x240`,
		`tagproc_messages_total{instance="a", direction="gateway", outcome="tagged"} 0+1500x240`, `tagproc_messages_total{instance="a", direction="gateway", outcome="shed"} 0x240`,
		`tagproc_messages_total{instance="a", direction="gateway", outcome="over_limits"} 0x240`,
		`tagproc_decisions_total{instance="a", rule="lanes", reason="policy"} 0+1500x240`, `tagproc_panics_total{instance="a"} 0x240`,
		`tagproc_config_last_reload_successful{instance="a"} 1x240`, `tagproc_rules_info{instance="a", digest="58b3"} 1x240`, `tagproc_rules_info{instance="b", digest="58b3"} 1x240`,
		`tagproc_connections_refused_total{instance="a"} 0x240`, `tagproc_streams_reaped_total{instance="a"} 0+1x240`, `tagproc_streams_refused_total{instance="a"} 0x240`,
		`process_resident_memory_bytes{job="tagproc", instance="a"} 4e7x240`, `go_gc_gomemlimit_bytes{job="tagproc", instance="a"} 2e8x240`,
		`tagproc_tls_last_reload_successful{instance="a"} 1x240`, `tagproc_tls_certificate_expiry_timestamp_seconds{instance="a"} 7776000x240`,
	}, nil},
	{"a replica restarts", []string{
		`up{job="tagproc", instance="a"} 1x24 0x6 1x210`,
		`envoy_http_ext_proc_tagproc_streams_started 0+1500x240`, `envoy_http_ext_proc_tagproc_failure_mode_allowed 0x24 1500+1500x6 10500x210`,
		`tagproc_messages_total{instance="a", direction="gateway", outcome="tagged"} 90000+1500x24 _x6 0+1500x210`, `tagproc_decisions_total{instance="a", rule="lanes", reason="policy"} 90000+1500x24 _x6 0+1500x210`,
	}, nil},
	{
		"one request of 50 gets no answer",
		[]string{`envoy_http_ext_proc_tagproc_streams_started 0+1500x240`, `envoy_http_ext_proc_tagproc_failure_mode_allowed 0+30x240`, `up{job="tagproc"} 1x240`},
		map[time.Duration][]string{4 * time.Minute: nil, 8 * time.Minute: {"TagprocRequestsUntagged page"}},
	},
	{"one request of 200 gets no answer", []string{`envoy_http_ext_proc_tagproc_streams_started 0+1500x240`, `envoy_http_ext_proc_tagproc_failure_mode_allowed 0+7x240`, `up{job="tagproc"} 1x240`}, nil},
	{
		"all replicas are down",
		[]string{`up{job="tagproc", instance="a"} 1x24 0x216`, `up{job="tagproc", instance="b"} 0x240`},
		map[time.Duration][]string{6 * time.Minute: nil, 10 * time.Minute: {"TagprocDown page"}},
	},
	{"one of two replicas is down", []string{`up{job="tagproc", instance="a"} 1x240`, `up{job="tagproc", instance="b"} 0x240`}, nil},
	{"there is no tagproc", nil, map[time.Duration][]string{time.Minute: nil, 5 * time.Minute: {"TagprocDown page"}}},
	{
		"requests are shed",
		[]string{`tagproc_messages_total{direction="gateway", outcome="shed"} 0+10x240`, `up{job="tagproc"} 1x240`},
		map[time.Duration][]string{4 * time.Minute: nil, 8 * time.Minute: {"TagprocShedding page"}},
	},
	{"requests were shed for a minute", []string{`tagproc_messages_total{direction="gateway", outcome="shed"} 0x24 0+10x4 40x200`, `up{job="tagproc"} 1x240`}, nil},
	{
		"it panicked",
		[]string{ended(`tagproc_panics_total{instance="a"}`), `up{job="tagproc"} 1x240`},
		map[time.Duration][]string{5 * time.Minute: nil, 8 * time.Minute: {"TagprocPanics page"}, 20 * time.Minute: nil},
	},
	{
		"the rules of one replica are refused",
		[]string{`tagproc_config_last_reload_successful{instance="a"} 0x240`, `tagproc_config_last_reload_successful{instance="b"} 1x240`, `up{job="tagproc"} 1x240`},
		map[time.Duration][]string{30 * time.Second: nil, 2 * time.Minute: {"TagprocRulesRefused ticket instance=a"}},
	},
	{
		"digests differ",
		[]string{`tagproc_rules_info{instance="a", digest="58b3"} 1x240`, `tagproc_rules_info{instance="b", digest="9b09"} 1x240`, `up{job="tagproc"} 1x240`},
		map[time.Duration][]string{4 * time.Minute: nil, 6 * time.Minute: {"TagprocDigestsDiffer ticket"}},
	},
	{"an edit arrives at one replica two minutes later", []string{
		`tagproc_rules_info{instance="a", digest="58b3"} 1x24 stale`, `tagproc_rules_info{instance="a", digest="9b09"} _x24 1x216`,
		`tagproc_rules_info{instance="b", digest="58b3"} 1x32 stale`, `tagproc_rules_info{instance="b", digest="9b09"} _x32 1x208`, `up{job="tagproc"} 1x240`,
	}, nil},
	{
		"the last step of a ramp comes after two hours",
		[]string{`tagproc_ramp_step_timestamp_seconds{instance="a", step="last"} 7200x600`, `up{job="tagproc"} 1x600`},
		map[time.Duration][]string{30 * time.Minute: nil, 90 * time.Minute: {"TagprocRampEnds ticket instance=a"}, 130 * time.Minute: nil},
	},
	{
		"Envoy refuses tags",
		[]string{ended(`envoy_http_ext_proc_tagproc_rejected_header_mutations`), `up{job="tagproc"} 1x240`},
		map[time.Duration][]string{5 * time.Minute: nil, 8 * time.Minute: {"TagprocTagsRejected ticket"}, 20 * time.Minute: nil},
	},
	{"a rule decides nothing", []string{
		`tagproc_decisions_total{rule="lanes", reason="policy"} 0+100x240`, `tagproc_decisions_total{rule="lost", reason="policy"} 0x240`, `tagproc_decisions_total{rule="lost", reason="no_match"} 0+100x240`,
		`tagproc_messages_total{direction="gateway", outcome="tagged"} 0+100x240`, `up{job="tagproc"} 1x240`,
	}, map[time.Duration][]string{5 * time.Minute: nil, 50 * time.Minute: {"TagprocRuleDecidesNothing ticket rule=lost"}}},
	{"a rule decides nothing, and there are no requests", []string{`tagproc_decisions_total{rule="lost", reason="policy"} 0x240`, `tagproc_messages_total{direction="gateway", outcome="tagged"} 0+1x240`, `up{job="tagproc"} 1x240`}, nil},
	{
		"requests are over the limits",
		[]string{ended(`tagproc_messages_total{direction="gateway", outcome="over_limits"}`), `up{job="tagproc"} 1x240`},
		map[time.Duration][]string{5 * time.Minute: nil, 8 * time.Minute: {"TagprocOverLimits ticket"}, 20 * time.Minute: nil},
	},
	{
		"connections are refused",
		[]string{ended(`tagproc_connections_refused_total{instance="a"}`), `up{job="tagproc"} 1x240`},
		map[time.Duration][]string{5 * time.Minute: nil, 8 * time.Minute: {"TagprocConnectionsRefused ticket instance=a"}, 20 * time.Minute: nil},
	},
	{
		"streams say nothing",
		[]string{`tagproc_streams_reaped_total{instance="a"} 0+30x240`, `up{job="tagproc"} 1x240`},
		map[time.Duration][]string{4 * time.Minute: nil, 8 * time.Minute: {"TagprocSilentStreams ticket instance=a"}},
	},
	{
		"streams are refused",
		[]string{ended(`tagproc_streams_refused_total{instance="a"}`), `up{job="tagproc"} 1x240`},
		map[time.Duration][]string{5 * time.Minute: nil, 8 * time.Minute: {"TagprocStreamsRefused page instance=a"}, 20 * time.Minute: nil},
	},
	{
		"memory is above its limit",
		[]string{`process_resident_memory_bytes{job="tagproc", instance="a"} 3e8x240`, `go_gc_gomemlimit_bytes{job="tagproc", instance="a"} 2e8x240`, `up{job="tagproc"} 1x240`},
		map[time.Duration][]string{4 * time.Minute: nil, 6 * time.Minute: {"TagprocMemory ticket instance=a"}},
	},
	{
		"a certificate is refused",
		[]string{`tagproc_tls_last_reload_successful{instance="a"} 0x240`, `up{job="tagproc"} 1x240`},
		map[time.Duration][]string{30 * time.Second: nil, 2 * time.Minute: {"TagprocCertificateRefused ticket instance=a"}},
	},
	{
		"a certificate expires in a week and ten minutes",
		[]string{`tagproc_tls_certificate_expiry_timestamp_seconds{instance="a"} 605400x240`, `up{job="tagproc"} 1x240`},
		map[time.Duration][]string{9 * time.Minute: nil, 11 * time.Minute: {"TagprocCertificateExpires ticket instance=a"}},
	},
}

// TestAlerts evaluates the alerts over each situation. Where no times are named none fires
// within 50 minutes.
func TestAlerts(t *testing.T) {
	t.Parallel()
	fired, all := map[string]bool{}, map[string]bool{}
	for _, s := range situations {
		times := slices.Sorted(maps.Keys(s.fires))
		if times == nil {
			times = []time.Duration{50 * time.Minute}
		}
		var seen []string // at any time
		for _, alert := range evaluate(t, s.series, times[len(times)-1], all, func(at time.Duration, firing []string) {
			if want, asked := s.fires[at]; asked && !slices.Equal(firing, want) {
				t.Errorf("%s: after %v %q fire, want %q", s.name, at, firing, want)
			}
		}) {
			seen = append(seen, alert)
			name, _, _ := strings.Cut(alert, " ")
			fired[name] = true
		}
		var may []string
		for _, alerts := range s.fires {
			may = append(may, alerts...)
		}
		for _, alert := range seen {
			if !slices.Contains(may, alert) {
				t.Errorf("%s: %s fires", s.name, alert)
			}
		}
	}
	if len(all) < 15 {
		t.Errorf("the file has %d alerts", len(all))
	}
	for name := range all {
		if !fired[name] {
			t.Errorf("no situation has %s fire", name)
		}
	}
}

// evaluate evaluates the alerts until some time and calls look after each evaluation, with
// those that fire. It returns all that fired at any time, and adds the names of all to
// names.
func evaluate(t *testing.T, series []string, until time.Duration, names map[string]bool, look func(time.Duration, []string)) (seen []string) {
	t.Helper()
	load := "load 15s\n"
	for _, s := range series {
		load += "  " + s + "\n"
	}
	suite, err := promqltest.NewLazyLoader(load, promqltest.LazyLoaderOpts{})
	if err != nil {
		t.Fatal(err)
	}
	defer suite.Close()
	suite.SubqueryInterval = interval
	m := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(suite.QueryEngine(), suite.Storage()), AppendableV2: suite.Storage(), Context: t.Context(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Logger: promslog.NewNopLogger(), Parser: parser.NewParser(parser.Options{}),
	})
	groups, errs := m.LoadGroups(interval, labels.EmptyLabels(), "", nil, false, "alerts.yaml")
	if errs != nil {
		t.Fatal(errs)
	}
	for at := time.Duration(0); at <= until; at += interval {
		var firing []string
		suite.WithSamplesTill(time.Unix(0, 0).Add(at), func(err error) {
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				g.Eval(suite.Context(), time.Unix(0, 0).Add(at))
				for _, r := range g.Rules() {
					if err := r.LastError(); err != nil {
						t.Fatalf("%s: %v", r.Name(), err)
					}
					names[r.Name()] = true
					firing = append(firing, firingOf(t, r.(*rules.AlertingRule))...)
				}
			}
		})
		slices.Sort(firing)
		look(at, firing)
		for _, alert := range firing {
			if !slices.Contains(seen, alert) {
				seen = append(seen, alert)
			}
		}
	}
	return seen
}

// firingOf returns the alerts of a rule that fire, such as "TagprocMemory ticket instance=a".
func firingOf(t *testing.T, r *rules.AlertingRule) (firing []string) {
	t.Helper()
	for _, a := range r.ActiveAlerts() {
		if a.State != rules.StateFiring {
			continue
		}
		text := r.Name() + " " + a.Labels.Get("severity")
		for _, name := range []string{"instance", "rule"} {
			if v := a.Labels.Get(name); v != "" {
				text += fmt.Sprintf(" %s=%s", name, v)
			}
		}
		if summary := a.Annotations.Get("summary"); summary == "" || strings.Contains(summary, "<no value>") || strings.Contains(summary, "error expanding") {
			t.Errorf("%s says %q", text, summary)
		}
		firing = append(firing, text)
	}
	return firing
}
