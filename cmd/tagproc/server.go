package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/tagproc/tagproc/admin"
	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
)

// serverOptions says what to serve, and where.
type serverOptions struct {
	rulesFile  string
	rules      rules.Options
	listen     []string // HOST:PORT or unix:///PATH
	admin      string   // likewise; empty: none
	drainDelay time.Duration
	stopLimit  time.Duration // how long to wait for streams that do not end; 0: 5 s
	limits     processor.Limits
	log        *slog.Logger
	applied    func(rulefile.Load) // is told of every state of the rules file, after it took effect; may be nil
}

// A server answers Envoy by a rules file that it keeps current.
type server struct {
	options serverOptions
	log     *slog.Logger

	first     rulefile.Load
	processor *processor.Processor
	reloads   *admin.Reloads

	grpc      *grpc.Server
	health    *health.Server
	listeners []net.Listener

	http          *http.Server
	adminListener net.Listener

	liveDigest string // of the rules that are live; for apply alone

	unready atomic.Pointer[string] // why /readyz says no; nil: ready
}

// A rulesError is a rules file that cannot be used at the start, when there are
// no good rules to go on with.
type rulesError struct{ problems rules.Problems }

func (e *rulesError) Error() string { return "the rules file cannot be used" }

// newServer loads the rules and opens the listeners. Whatever goes wrong, nothing
// stays open.
func newServer(ctx context.Context, o serverOptions) (*server, error) {
	s := &server{options: o, log: o.log, first: rulefile.Read(o.rulesFile, o.rules)}
	if s.first.Table == nil {
		return nil, &rulesError{s.first.Problems}
	}
	s.notReady("starting")

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	s.reloads = admin.NewReloads(registry)
	s.processor = processor.New(processor.Options{Limits: o.limits, Registerer: registry, Logger: o.log})
	s.newGRPC()
	s.http = &http.Server{
		Handler:           admin.Handler(registry, s.ready),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(o.log.Handler(), slog.LevelWarn),
	}

	if err := s.open(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// open opens the listeners.
func (s *server) open(ctx context.Context) error {
	for _, address := range s.options.listen {
		l, err := listen(ctx, address)
		if err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
		s.listeners = append(s.listeners, l)
	}
	if s.options.admin == "" {
		return nil
	}
	l, err := listen(ctx, s.options.admin)
	if err != nil {
		return fmt.Errorf("--admin: %w", err)
	}
	s.adminListener = l
	return nil
}

func (s *server) newGRPC() {
	s.grpc = grpc.NewServer(
		grpc.ForceServerCodecV2(processor.Codec()),
		grpc.MaxRecvMsgSize(processor.MaxMessageSize),
		// Envoy opens streams before it has seen this setting; with a low number
		// some are lost (measured on Envoy 1.36 and 1.40 with 10).
		grpc.MaxConcurrentStreams(1<<20),
		// A stream takes microseconds, and its goroutine's stack has to be grown twice.
		// That of a worker has been. With all of them busy, new goroutines serve.
		grpc.NumStreamWorkers(64),
		// Envoy may ping as often as its operator likes. By default gRPC ends the
		// connection of a client that pings more than every five minutes.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	)
	processor.Register(s.grpc, s.processor)
	s.health = health.NewServer()
	s.setHealth(healthv1.HealthCheckResponse_NOT_SERVING)
	healthv1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
}

// close closes what is not being served: the listeners, and the workers of gRPC.
func (s *server) close() {
	s.grpc.Stop()
	for _, l := range s.listeners {
		l.Close()
	}
	if s.adminListener != nil {
		s.adminListener.Close()
	}
}

// notReady sets the reason for which /readyz says no; "" means ready.
func (s *server) notReady(reason string) {
	if reason == "" {
		s.unready.Store(nil)
		return
	}
	s.unready.Store(&reason)
}

func (s *server) ready() error {
	if reason := s.unready.Load(); reason != nil {
		return errors.New(*reason)
	}
	return nil
}

// setHealth sets the status of gRPC health checks, for the server as a whole and
// for the service.
func (s *server) setHealth(status healthv1.HealthCheckResponse_ServingStatus) {
	s.health.SetServingStatus("", status)
	s.health.SetServingStatus(processor.ServiceName, status)
}
