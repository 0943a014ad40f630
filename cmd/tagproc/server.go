package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/tagproc/tagproc/admin"
	"github.com/tagproc/tagproc/fleet"
	"github.com/tagproc/tagproc/kube"
	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
	"github.com/tagproc/tagproc/source"
	"github.com/tagproc/tagproc/traffic"
	"github.com/tagproc/tagproc/transport"
)

// serverOptions says what to serve, and where.
type serverOptions struct {
	rulesFile         string // or configmap://NAMESPACE/NAME
	kubeconfig        string // with a ConfigMap; empty: the account of the pod
	rulesFallback     string // with a ConfigMap: the rules at the start where the cluster has none; empty: none
	rules             rules.Options
	startWithoutRules bool     // serve also while there are no good rules yet
	listen            []string // HOST:PORT or unix:///PATH
	socketMode        fs.FileMode
	tls               transport.CertificateFiles // for TCP; the zero value: none
	admin             string                     // as listen; empty: none
	pprof             bool                       // with admin
	peers             string                     // the name of all replicas' admin ports; "": not known
	adminHosts        []string                   // further names of admin, beside those always accepted
	transport         transport.Options          // Registerer and Logger stay empty
	processor         processor.Options
	drainDelay        time.Duration
	stopLimit         time.Duration    // how long to wait for streams to end; 0: 5 s
	reload            <-chan os.Signal // each one makes rules and certificates be read at once; may be nil
	log               *slog.Logger
	applied           func(rulefile.Load) // called with every state of the rules file, after it takes effect; may be nil
}

// A server answers Envoy by a rules file, and follows its edits.
type server struct {
	options serverOptions
	log     *slog.Logger

	watcher   watcher
	first     rulefile.Load
	processor *processor.Processor
	reloads   *admin.Reloads
	traffic   *traffic.Recorder

	grpc         *transport.Server
	health       *health.Server
	certificates *transport.Certificates // nil: no TLS
	listeners    []net.Listener
	sockets      map[string]fs.FileInfo // of the listeners, by their paths

	wakeRules, wakeCertificates chan struct{} // for the reload of a signal

	http          *http.Server
	adminListener net.Listener

	readiness sync.Mutex
	unready   string // why the server is not ready; "": it is
}

// Reasons for not being ready.
const (
	starting = "starting"
	noRules  = "there are no good rules yet"
	draining = "draining"
)

// A rulesError is a rules file that cannot be used at the start, without earlier good
// rules.
type rulesError struct{ problems source.Problems }

func (e *rulesError) Error() string { return "the rules file cannot be used" }

// A watcher reads rules, and follows them: those of a file or of a ConfigMap.
type watcher interface {
	Read(ctx context.Context) rulefile.Load
	Run(ctx context.Context, last rulefile.Load, apply func(rulefile.Load))
}

// watcherOf returns the watcher of what --rules names.
func (s *server) watcherOf(o serverOptions, registry prometheus.Registerer) (watcher, error) {
	if !kube.IsReference(o.rulesFile) {
		return &rulefile.Watcher{Path: o.rulesFile, Options: o.rules, Wake: s.wakeRules, Logger: o.log}, nil
	}
	reference, err := kube.ParseReference(o.rulesFile)
	if err != nil {
		return nil, fmt.Errorf("--rules: %w", err)
	}
	client, err := kube.Connect(o.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("--rules %s: %w", o.rulesFile, err)
	}
	w := &kube.Watcher{Client: client, Reference: reference, Options: o.rules, Fallback: o.rulesFallback, Wake: s.wakeRules, Logger: o.log}
	w.Register(registry)
	return w, nil
}

// newServer loads the rules and opens the listeners. On an error nothing stays open.
// When ctx ends, it stops waiting and returns the cause of ctx.
func newServer(ctx context.Context, o serverOptions) (*server, error) {
	s := &server{
		options: o, log: o.log, sockets: map[string]fs.FileInfo{},
		wakeRules: make(chan struct{}, 1), wakeCertificates: make(chan struct{}, 1),
	}
	registry := prometheus.NewRegistry()
	var err error
	if s.watcher, err = s.watcherOf(o, registry); err != nil {
		return nil, err
	}
	s.first = s.watcher.Read(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if s.first.Table == nil && !o.startWithoutRules {
		return nil, &rulesError{s.first.Problems}
	}

	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	s.reloads = admin.NewReloads(registry)
	o.processor.Registerer, o.processor.Logger = registry, o.log
	s.processor = processor.New(o.processor)
	o.transport.Registerer, o.transport.Logger = registry, o.log
	s.newGRPC(o.transport)
	s.traffic = traffic.New(s.processor.Counts)
	replica := &admin.Replica{
		Version: version, Instance: rand.Text(), File: o.rulesFile, Started: time.Now(),
		Ready: s.ready, Now: o.processor.Now, Reloads: s.reloads, Traffic: s.traffic,
	}
	if o.peers != "" {
		peers, err := fleet.NewPeers(o.peers)
		if err != nil {
			return nil, fmt.Errorf("--peers: %w", err)
		}
		replica.Peers = peers.Read
	}
	registry.MustRegister(replica)
	pages := admin.Options{Pprof: o.pprof, Hosts: o.adminHosts, Replica: replica}
	s.http = admin.NewServer(admin.Handler(registry, s.ready, pages), pages, o.log)

	if err := s.open(ctx, registry); err != nil {
		s.close()
		return nil, cmp.Or(context.Cause(ctx), err)
	}
	return s, nil
}

// open reads the certificates and opens the listeners.
func (s *server) open(ctx context.Context, registry prometheus.Registerer) error {
	o := transport.ListenOptions{SocketMode: s.options.socketMode}
	if s.options.tls.Certificate != "" {
		var err error
		s.certificates, err = transport.LoadCertificates(ctx, s.options.tls,
			transport.CertificateOptions{Wake: s.wakeCertificates, Registerer: registry, Logger: s.log})
		if err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
		o.TLS = s.certificates.Config()
	}
	for _, address := range s.options.listen {
		l, err := transport.Listen(ctx, address, o)
		if err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
		s.listeners = append(s.listeners, l)
		if path := l.Addr(); path.Network() == "unix" {
			if s.sockets[path.String()], err = os.Lstat(path.String()); err != nil {
				return fmt.Errorf("--listen: %w", err)
			}
		}
	}
	if s.options.admin == "" {
		return nil
	}
	o.TLS = nil
	l, err := transport.Listen(ctx, s.options.admin, o)
	if err != nil {
		return fmt.Errorf("--admin: %w", err)
	}
	s.adminListener = admin.Bound(l)
	return nil
}

func (s *server) newGRPC(o transport.Options) {
	s.grpc = transport.NewServer(o, grpc.ForceServerCodecV2(processor.Codec()))
	processor.Register(s.grpc.Server, s.processor)
	s.health = health.NewServer()
	s.turn(starting)
	healthv1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
}

// close closes a server that does not run: its listeners and gRPC's workers.
func (s *server) close() {
	s.grpc.Stop()
	for _, l := range s.listeners {
		l.Close()
	}
	if s.adminListener != nil {
		s.adminListener.Close()
	}
}

// turn makes /readyz and gRPC health say why the server is not ready, or that it is,
// "". After draining it has no effect.
func (s *server) turn(unready string) {
	s.readiness.Lock()
	defer s.readiness.Unlock()
	if s.unready == draining {
		return
	}
	s.unready = unready
	status := healthv1.HealthCheckResponse_NOT_SERVING
	if unready == "" {
		status = healthv1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", status) // the server as a whole
	s.health.SetServingStatus(processor.ServiceName, status)
}

// ready returns nil, or why tagproc does not answer Envoy.
func (s *server) ready() error {
	s.readiness.Lock()
	unready := s.unready
	s.readiness.Unlock()
	if unready != "" {
		return errors.New(unready)
	}
	for path, opened := range s.sockets {
		if now, err := os.Lstat(path); err != nil || !os.SameFile(opened, now) {
			return fmt.Errorf("the socket file %s is gone or belongs to another process, and Envoy does not reach tagproc: restart tagproc", path)
		}
	}
	return nil
}
