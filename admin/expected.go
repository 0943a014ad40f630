package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tagproc/tagproc/shares"
)

var expectedDesc = prometheus.NewDesc("tagproc_expected_share",
	"Part of the buckets of a rule that has this tag, from 0 to 1, by the step of ramps that is in force; an empty tag is no tag. Rules that are off have none.",
	[]string{"rule", "tag"}, nil)

// Describe describes the metric of a Replica to Prometheus.
func (r *Replica) Describe(descs chan<- *prometheus.Desc) { descs <- expectedDesc }

// Collect gives Prometheus the expected shares of the live rules.
func (r *Replica) Collect(all chan<- prometheus.Metric) {
	t := r.Reloads.Live()
	if t == nil {
		return
	}
	t, _ = t.At(r.now())
	for _, rule := range shares.Of(t) {
		if rule.Mode == "off" {
			continue
		}
		for _, tag := range rule.Tags {
			all <- prometheus.MustNewConstMetric(expectedDesc, prometheus.GaugeValue, tag.Share.Percent()/100, rule.Name, tag.Tag)
		}
	}
}
