package chart

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestMonitoring checks that the alerts and the dashboard are those of deploy/monitoring,
// and that the pods of each form are scraped as the job that the alerts name.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	for form, selected := range map[string]values{
		"service": {"app.kubernetes.io/name": "tagproc", "app.kubernetes.io/instance": "tagproc"},
		"sidecar": {"istio": "ingressgateway"},
	} {
		all := rendered(t, "istio-system", ruled(t, values{
			"form":       form,
			"monitoring": values{"podMonitor": true, "prometheusRule": true, "dashboard": true, "labels": values{"release": "prometheus"}},
		}))
		var alerts, wanted, dashboard any
		if err := yaml.Unmarshal([]byte(text(t, "monitoring/alerts.yaml")), &alerts); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(alerts, all["PrometheusRule/tagproc"]["spec"]); diff != "" {
			t.Errorf("%s: PrometheusRule (-alerts.yaml +chart):\n%s", form, diff)
		}
		if err := json.Unmarshal([]byte(text(t, "monitoring/dashboard.json")), &wanted); err != nil {
			t.Fatal(err)
		}
		shown, _ := field(all["ConfigMap/tagproc-dashboard"], "data", "tagproc.json").(string)
		if err := json.Unmarshal([]byte(shown), &dashboard); err != nil || !cmp.Equal(wanted, dashboard) {
			t.Errorf("%s: the dashboard is not that of dashboard.json (%v)", form, err)
		}
		monitor := all["PodMonitor/tagproc"]
		if diff := cmp.Diff(any(selected), field(monitor, "spec", "selector", "matchLabels")); diff != "" {
			t.Errorf("%s: PodMonitor (-want +got):\n%s", form, diff)
		}
		want := []any{values{"port": "http-admin", "relabelings": []any{values{"targetLabel": "job", "replacement": "tagproc"}}}}
		if diff := cmp.Diff(any(want), field(monitor, "spec", "podMetricsEndpoints")); diff != "" {
			t.Errorf("%s: PodMonitor (-want +got):\n%s", form, diff)
		}
		for id, label := range map[string]any{"PodMonitor/tagproc": "prometheus", "PrometheusRule/tagproc": "prometheus", "ConfigMap/tagproc-dashboard": "prometheus", "ConfigMap/tagproc-rules": nil} {
			if got := field(all[id], "metadata", "labels", "release"); got != label {
				t.Errorf("%s: %s has label release %v, want %v", form, id, got, label)
			}
		}
	}
}
