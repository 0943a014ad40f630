package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
	"github.com/tagproc/tagproc/source"
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

// mostListed is the most problems that are logged for one load.
const mostListed = 20

// apply makes the rules of a load live, or logs its problems.
func (s *server) apply(l rulefile.Load) {
	switch {
	case l.Table == nil && s.live == nil:
		s.reloads.Record(l)
		s.turn(noRules)
		s.log.Error("the rules file is refused, and there are no good rules yet; requests pass untagged",
			"file", s.options.rulesFile, "problems", len(l.Problems))
	case l.Table == nil:
		s.reloads.Record(l)
		s.log.Error("the rules file is refused; the last good rules stay live",
			"file", s.options.rulesFile, "problems", len(l.Problems), "live_digest", s.live.Digest())
	default:
		s.processor.SetTable(l.Table)
		s.turn("")
		s.reloads.Record(l)
		s.log.Info("rules are live", append([]any{
			"file", s.options.rulesFile, "rules", len(l.Table.Rules()), "digest", l.Table.Digest(),
			"changes", summary(rules.Changes(s.live, l.Table)),
		}, s.step(l.Table)...)...)
		logVisitors(s.log, s.live, l.Table)
		s.live = l.Table
	}
	logProblems(s.log, l.Problems)
	if s.options.applied != nil {
		s.options.applied(l)
	}
}

// step returns, for the log, between which instants rules with ramps decide as they
// do now.
func (s *server) step(t *rules.Table) (attrs []any) {
	if !t.HasRamps() {
		return nil
	}
	since, next, _ := s.processor.Step()
	for _, i := range []struct {
		key string
		at  time.Time
	}{{"since", since}, {"next", next}} {
		if !i.at.IsZero() {
			attrs = append(attrs, i.key, i.at.UTC().Format(time.RFC3339Nano))
		}
	}
	return attrs
}

// logVisitors says what Envoy needs for rules that give visitors cookies, where those
// before did not: nothing else would tell that it lacks it.
func logVisitors(log *slog.Logger, before, after *rules.Table) {
	visitors := after.Visitors()
	if len(visitors) == 0 || before != nil && slices.Equal(before.Visitors(), visitors) {
		return
	}
	var cookies []string
	for _, v := range visitors {
		cookies = append(cookies, v.Cookie)
	}
	log.Info("rules give visitors cookies; without Envoy's part of it each request is a new visitor", "cookies", strings.Join(cookies, " "),
		"needs", "cookie in forward_rules, "+contract.VisitorNamespace+" in receiving_namespaces, and a header_mutation filter that writes set-cookie",
		"see", "docs/envoy.md#visitors, or tagproc render envoyfilter")
}

// logProblems logs problems of a rules file, one line each. It leaves notes out:
// validate shows them to the author of the file.
func logProblems(log *slog.Logger, ps source.Problems) {
	ps = ps.Without(source.Note)
	for _, p := range ps[:min(mostListed, len(ps))] {
		level := slog.LevelError
		if p.Severity == source.Warning {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, p.Message, "at", p.Place(), "kind", string(p.Kind))
	}
}

// summary returns changes in one line that fits into a line of the log.
func summary(changes []rules.Change) string {
	if len(changes) == 0 {
		return "none"
	}
	const (
		longest = 200  // bytes of one change
		most    = 1200 // of all
	)
	var texts []string
	total := 0
	for i, c := range changes {
		text := cutText(c.String(), longest)
		if total += len(text); i == mostListed || total > most {
			texts = append(texts, fmt.Sprintf("and %d more", len(changes)-i))
			break
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}
