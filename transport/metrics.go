package transport

import "github.com/prometheus/client_golang/prometheus"

// metrics are the counters of a server.
type metrics struct {
	connections       prometheus.Gauge
	refused           prometheus.Counter
	handshakeFailures prometheus.Counter
	reaped            prometheus.Counter
	streamsRefused    prometheus.Counter
	foreign           *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tagproc_connections",
			Help: "Connections of gRPC clients, including those that are still shaking hands.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tagproc_connections_refused_total",
			Help: "Connections closed at once because --max-connections were open.",
		}),
		handshakeFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tagproc_tls_handshake_failures_total",
			Help: "Connections closed because the TLS handshake failed or the client had no trusted certificate.",
		}),
		reaped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tagproc_streams_reaped_total",
			Help: "Streams ended because no request began on them in time.",
		}),
		streamsRefused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tagproc_streams_refused_total",
			Help: "Streams ended, their requests unchanged, because the limit of streams was reached.",
		}),
		foreign: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tagproc_foreign_protocol_total",
			Help: "Connections, or streams where compressed, refused because the client speaks another protocol: http1, tls, plaintext, compressed or other.",
		}, []string{"protocol"}),
	}
	if r != nil {
		r.MustRegister(m.connections, m.refused, m.handshakeFailures, m.reaped, m.streamsRefused, m.foreign)
	}
	return m
}
