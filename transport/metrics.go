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
			Help: "Connections of gRPC clients, those that are still shaking hands included.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tagproc_connections_refused_total",
			Help: "Connections closed at once because there were as many as allowed.",
		}),
		handshakeFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tagproc_tls_handshake_failures_total",
			Help: "Connections closed because TLS could not be agreed on, or the client had no certificate that is trusted.",
		}),
		reaped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tagproc_streams_reaped_total",
			Help: "Streams ended because no request began on them in time.",
		}),
		streamsRefused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tagproc_streams_refused_total",
			Help: "Streams ended, their requests unchanged, because there were as many as memory is meant for.",
		}),
		foreign: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tagproc_foreign_protocol_total",
			Help: "Connections, and with compressed streams, refused because the client speaks something else than this server: http1, tls, plaintext, compressed or other.",
		}, []string{"protocol"}),
	}
	if r != nil {
		r.MustRegister(m.connections, m.refused, m.handshakeFailures, m.reaped, m.streamsRefused, m.foreign)
	}
	return m
}
