package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/transport"
)

func newServeCommand() *cobra.Command {
	f := &serveFlags{socketMode: fileMode(transport.DefaultSocketMode)}
	cmd := &cobra.Command{
		Use:   "serve --rules FILE",
		Short: "Answer Envoy by a rules file",
		Long: `Serve Envoy's external processing protocol (envoy.service.ext_proc.v3) by the
rules of a file, until SIGTERM or SIGINT. A second signal ends it at once.

An edit of the file is live within about a second, or at once after SIGHUP. A file
that cannot be used changes nothing: the last good rules stay live, and metrics and
log say so. At the start, without good rules yet, such a file is an error, unless
--start-without-rules is set. TLS files are reloaded in the same way, and must
always be good at the start.

The rules may be those of a ConfigMap instead: configmap://NAMESPACE/NAME, and /KEY
where it has several. An edit of it is live within a second. It is read with the
account of the pod, or else with --kubeconfig. While the API server is away the last
good rules stay live.`,
		Example: `  tagproc serve --rules rules.yaml
  tagproc serve --rules /etc/tagproc/rules.yaml --listen unix:///run/tagproc.sock --listen 0.0.0.0:9002
  tagproc serve --rules rules.yaml --log-format json --drain-delay 10s
  tagproc serve --rules configmap://istio-system/tagproc-rules --rules-fallback /etc/tagproc/rules/rules.yaml
  tagproc serve --rules rules.yaml --listen 0.0.0.0:9002 \
    --tls-cert tls.crt --tls-key tls.key --tls-client-ca ca.crt`,
		Args: noArgs,
	}
	addRulesFileFlag(cmd, &f.rulesFile)
	f.rules.addTo(cmd)
	s := cmd.Flags()
	s.Lookup("rules").Usage = "rules `FILE`, or a manifest with rules, or configmap://NAMESPACE/NAME (required)"
	s.StringVar(&f.rulesFallback, "rules-fallback", "", "rules `FILE` for the start, where the cluster has no good rules at configmap:// or is not reached")
	s.BoolVar(&f.startWithoutRules, "start-without-rules", false,
		"start even if the rules file cannot be used: until it can, requests pass untagged and /readyz fails")
	s.StringArrayVar(&f.listen, "listen", []string{contract.DefaultListen}, "where Envoy connects: `HOST:PORT` or unix:///PATH; repeatable")
	s.Var(&f.socketMode, "socket-mode", "permissions of Unix sockets, in octal: who may write to one may connect")
	s.StringVar(&f.tls.Certificate, "tls-cert", "",
		"PEM `FILE` with the certificate and intermediate ones for the TCP addresses of --listen, which then accept only TLS")
	s.StringVar(&f.tls.Key, "tls-key", "", "PEM `FILE` with the key of --tls-cert")
	s.StringVar(&f.tls.ClientCA, "tls-client-ca", "",
		"PEM `FILE` with the authorities that sign client certificates; clients then need one (mTLS)")
	s.StringVar(&f.admin, "admin", contract.DefaultAdmin, "address of the page for browsers, /healthz, /readyz, /metrics, /state and /explain: `HOST:PORT` or unix:///PATH; empty: none")
	s.StringArrayVar(&f.adminHosts, "admin-host", nil,
		"`NAME` in URLs of --admin, besides its addresses and a cluster's names; repeatable")
	s.StringArrayVar(&f.peers, "peers", nil, "`NAME` of all replicas' admin ports, HOST:PORT or HOST, such as that of a headless service: the page says whether they agree")
	s.BoolVar(&f.pprof, "pprof", false, "serve /debug/pprof at --admin, which exposes the process and can slow it down")

	s.IntVar(&f.maxHeaders, "max-request-headers", contract.DefaultMaxHeaders, "the gateway's max_headers_count: tagproc adds no tag that would exceed it")
	s.IntVar(&f.maxHeaderKB, "max-request-headers-kb", contract.DefaultMaxHeaderKB, "the gateway's max_request_headers_kb: tagproc adds no tag that would exceed it")
	s.BoolVar(&f.metadata, "metadata", false, "write decisions into dynamic metadata, for the gateway's access log")

	s.IntVar(&f.maxDecisions, "max-concurrent-decisions", 1000, "most messages processed at a time; further requests pass untagged at once")
	s.IntVar(&f.maxConnections, "max-connections", transport.DefaultMaxConnections, "most open connections; a further one is closed at once")
	s.IntVar(&f.maxMessageKB, "max-message-kb", transport.DefaultMaxMessageBytes>>10,
		"most KiB of a message; a larger one fails its stream")
	s.DurationVar(&f.firstMessage, "first-message-timeout", transport.DefaultFirstMessage,
		"how long a stream may wait for its first request headers; then it ends without an error")
	s.DurationVar(&f.maxConnectionAge, "max-connection-age", 0,
		"age at which a connection is asked to end, so that clients spread again; 0s: none")
	s.DurationVar(&f.drainDelay, "drain-delay", 0, "how long to serve on after SIGTERM, with health NOT_SERVING")

	s.StringVar(&f.logFormat, "log-format", "text", "`text|json`")
	s.StringVar(&f.logLevel, "log-level", "info", "`debug|info|warn|error`")
	completeWith(cmd, "log-format", "text", "json")
	completeWith(cmd, "log-level", "debug", "info", "warn", "error")

	check(cmd, f.check)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		reload := make(chan os.Signal, 1)
		signal.Reset(syscall.SIGHUP) // which ends the other commands
		signal.Notify(reload, syscall.SIGHUP)
		defer signal.Stop(reload)
		log, err := newLogger(cmd.ErrOrStderr(), f.logFormat, f.logLevel)
		if err != nil {
			return err
		}
		limitMemory(log, memlimit.FromCgroup)
		if f.pprof && !isLocal(f.admin) {
			log.Warn("--pprof: whoever reaches --admin sees the process from inside and can slow it down; make --admin listen on 127.0.0.1 or a Unix socket", "admin", f.admin)
		}
		o := f.options(log)
		o.transport.MaxConnections = limitConnections(log, o.transport.MaxConnections, descriptors)
		o.reload = reload
		server, err := newServer(cmd.Context(), o)
		if stopped, ok := errors.AsType[*signalError](err); ok {
			log.Info("stopped before it served", "signal", stopped.signal.String())
			return nil
		}
		if err == nil {
			err = server.run(cmd.Context())
		}
		return f.fail(cmd.ErrOrStderr(), log, err)
	}
	return cmd
}

// fail returns err as a failure, nil as nil. With --log-format json the error is a line
// of the log, otherwise plain text.
func (f *serveFlags) fail(stderr io.Writer, log *slog.Logger, err error) error {
	re, isRules := errors.AsType[*rulesError](err)
	switch isJSON := f.logFormat == "json"; {
	case err == nil:
		return nil
	case isRules && isJSON:
		log.Error("the rules file is refused, and there are no earlier good rules", "file", f.rulesFile, "problems", len(re.problems))
		logProblems(log, re.problems)
	case isRules:
		writeProblems(terminal.New(stderr), re.problems)
	case isJSON:
		log.Error("tagproc cannot serve", "error", err)
	default:
		return fail(err)
	}
	return &failure{}
}

func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: expected debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(newShortLines(w, l, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) })), nil
	case "json":
		return slog.New(newShortLines(w, l, func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, options) })), nil
	}
	return nil, fmt.Errorf("--log-format %q: expected text or json", format)
}

// buildInfo returns a metric with the version that runs.
func buildInfo() prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "tagproc_build_info",
		Help:        "1, with the version of tagproc and of Go.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}
