// Package monitoring tests what Prometheus and Grafana are given: alerts.yaml and
// dashboard.json. It is a module of its own, since the program needs no Prometheus.
package monitoring
