package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tagproc/tagproc/rules/rulefile"
)

// Reloads is the state of the rules file as metrics, named as in Prometheus and
// Alertmanager, so that their alerts can be reused.
type Reloads struct {
	loads      *prometheus.CounterVec
	successful prometheus.Gauge
	timestamp  prometheus.Gauge
	live       *prometheus.GaugeVec
	rules      prometheus.Gauge
}

// NewReloads registers the metrics with r.
func NewReloads(r prometheus.Registerer) *Reloads {
	m := &Reloads{
		loads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tagproc_config_loads_total",
			Help: "Loads of changed content of the rules file, by result.",
		}, []string{"result"}),
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tagproc_config_last_reload_successful",
			Help: "1 if the current rules file is live; 0 if it is refused and older rules are live.",
		}),
		timestamp: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tagproc_config_last_reload_success_timestamp_seconds",
			Help: "Unix time at which the live rules were loaded.",
		}),
		live: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tagproc_rules_info",
			Help: "1, with the digest of the live rules: replicas with equal digests decide equally.",
		}, []string{"digest"}),
		rules: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tagproc_rules",
			Help: "Number of live rules.",
		}),
	}
	r.MustRegister(m.loads, m.successful, m.timestamp, m.live, m.rules)
	m.loads.WithLabelValues("success")
	m.loads.WithLabelValues("failure")
	return m
}

// Record records the result of a load. If it has a table, the table is live.
func (m *Reloads) Record(l rulefile.Load) {
	if l.Table == nil {
		m.loads.WithLabelValues("failure").Inc()
		m.successful.Set(0)
		return
	}
	m.loads.WithLabelValues("success").Inc()
	m.successful.Set(1)
	m.timestamp.SetToCurrentTime()
	m.live.Reset()
	m.live.WithLabelValues(l.Table.Digest()).Set(1)
	m.rules.Set(float64(len(l.Table.Rules())))
}
