package main

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules/rulefile"
)

// run serves until ctx ends, then drains: health becomes NOT_SERVING, the drain delay
// passes, and streams in flight finish. It returns an error if a listener fails.
func (s *server) run(ctx context.Context) error {
	s.apply(s.first)
	for _, l := range s.listeners {
		s.log.Info("listening", "address", l.Addr().String(), "tls", s.security(l))
	}
	if s.adminListener != nil {
		s.log.Info("listening for administration", "address", s.adminListener.Addr().String())
	}

	group, serving := errgroup.WithContext(ctx)
	for _, l := range s.listeners {
		group.Go(func() error { return unlessStopped(s.grpc.Serve(l)) })
	}
	if s.adminListener != nil {
		group.Go(func() error { return unlessStopped(s.http.Serve(s.adminListener)) })
	}
	// The rules stay current until the last stream has ended.
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		s.watcher.Run(watching, s.first, s.apply)
		return nil
	})
	group.Go(func() error {
		s.reloadOnSignals(watching)
		return nil
	})
	group.Go(func() error {
		s.traffic.Run(watching)
		return nil
	})
	if s.certificates != nil {
		group.Go(func() error {
			s.certificates.Run(watching)
			return nil
		})
	}
	group.Go(func() error {
		defer stopWatching()
		<-serving.Done()
		if ctx.Err() != nil { // else a listener has failed: nothing to wait for
			s.announceDrain(context.Cause(ctx))
		}
		s.stop()
		return nil
	})
	err := group.Wait()
	s.log.Info("stopped")
	return err
}

// reloadOnSignals reads the rules and the certificates at once at each signal, for
// people who do not want to wait for the reading of every second.
func (s *server) reloadOnSignals(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-s.options.reload:
			s.log.Info("reading the files; changes are logged", "signal", sig.String())
			for _, wake := range []chan<- struct{}{s.wakeRules, s.wakeCertificates} {
				select {
				case wake <- struct{}{}:
				default: // already on its way
				}
			}
		}
	}
}

// security returns what a client of a listener needs: nothing ("off"), TLS ("tls"), or
// also a certificate ("mtls").
func (s *server) security(l net.Listener) string {
	switch {
	case s.certificates == nil || l.Addr().Network() == "unix":
		return "off"
	case s.options.tls.ClientCA == "":
		return "tls"
	}
	return "mtls"
}

// unlessStopped returns err, or nil if err says that the server was stopped before it
// began to serve.
func unlessStopped(err error) error {
	if errors.Is(err, grpc.ErrServerStopped) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// announceDrain sets health to NOT_SERVING, and waits for the drain delay so that
// clients can go elsewhere.
func (s *server) announceDrain(cause error) {
	s.turn(draining)
	attributes := []any{"delay", s.options.drainDelay}
	if e, ok := errors.AsType[*signalError](cause); ok {
		attributes = append(attributes, "signal", e.signal.String())
	}
	s.log.Info("draining", attributes...)
	time.Sleep(s.options.drainDelay)
}

// stop ends serving: streams in flight may finish within the stop limit.
func (s *server) stop() {
	limit := cmp.Or(s.options.stopLimit, contract.DrainTime)
	timer := time.AfterFunc(limit, func() {
		s.log.Warn("cutting off streams that have not ended", "after", limit)
		s.grpc.Stop()
	})
	s.grpc.GracefulStop()
	timer.Stop()

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.http.Close()
	}
}

// apply makes the rules of a load live, or logs its problems.
func (s *server) apply(l rulefile.Load) {
	before := s.reloads.Live()
	if l.Table != nil {
		s.processor.SetTable(l.Table)
		s.turn("")
	} else if before == nil {
		s.turn(noRules)
	}
	s.logLoad(l, before, s.reloads.Record(l))
	if s.options.applied != nil {
		s.options.applied(l)
	}
}
