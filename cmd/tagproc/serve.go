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
		Short: "Answer Envoy by a rules file, which is kept current",
		Long: `Serve Envoy's external processing protocol (envoy.service.ext_proc.v3) by the
rules of a file, until SIGTERM or SIGINT. A second one ends it at once.

An edit of the file is live within about a second; SIGHUP has it read now. A file that cannot be used
changes nothing: the last good rules stay live, and metrics and log say so. Only
at the start, when there are no good rules yet, it is an error, unless
--start-without-rules. The same holds for the files of TLS, which are always
needed.`,
		Example: `  tagproc serve --rules rules.yaml
  tagproc serve --rules /etc/tagproc/rules.yaml --listen unix:///run/tagproc.sock --listen 0.0.0.0:9002
  tagproc serve --rules rules.yaml --log-format json --drain-delay 10s
  tagproc serve --rules rules.yaml --listen 0.0.0.0:9002 \
    --tls-cert tls.crt --tls-key tls.key --tls-client-ca ca.crt`,
		Args: noArgs,
	}
	addRulesFileFlag(cmd, &f.rulesFile)
	f.rules.addTo(cmd)
	s := cmd.Flags()
	s.BoolVar(&f.startWithoutRules, "start-without-rules", false,
		"start also where the rules file cannot be used: requests pass untagged, and /readyz says no, until it can")
	s.StringArrayVar(&f.listen, "listen", []string{contract.DefaultListen}, "where Envoy connects: `HOST:PORT` or unix:///PATH; repeatable")
	s.Var(&f.socketMode, "socket-mode", "rights of Unix sockets, in octal: who may write to one may connect")
	s.StringVar(&f.tls.Certificate, "tls-cert", "",
		"PEM `FILE` with the certificate, and intermediate ones, for the TCP addresses of --listen, which then take TLS only")
	s.StringVar(&f.tls.Key, "tls-key", "", "PEM `FILE` with its key")
	s.StringVar(&f.tls.ClientCA, "tls-client-ca", "",
		"PEM `FILE` with the authorities that sign the certificates of clients, which then need one (mTLS)")
	s.StringVar(&f.admin, "admin", contract.DefaultAdmin, "where /healthz, /readyz and /metrics are: `HOST:PORT` or unix:///PATH; empty: none")
	s.StringArrayVar(&f.adminHosts, "admin-host", nil,
		"`NAME` by which browsers ask --admin, besides its addresses and names of a cluster; repeatable")
	s.BoolVar(&f.pprof, "pprof", false, "let --admin have /debug/pprof too, which shows the process from inside and can slow it down")

	s.IntVar(&f.maxHeaders, "max-request-headers", contract.DefaultMaxHeaders, "the gateway's max_headers_count: no tag takes a request over it")
	s.IntVar(&f.maxHeaderKB, "max-request-headers-kb", contract.DefaultMaxHeaderKB, "the gateway's max_request_headers_kb, likewise")
	s.BoolVar(&f.metadata, "metadata", false, "say in dynamic metadata what was decided, for the gateway's access log")

	s.IntVar(&f.maxDecisions, "max-concurrent-decisions", 1000, "how many messages may be in work at a time; requests above it pass untagged at once")
	s.IntVar(&f.maxConnections, "max-connections", transport.DefaultMaxConnections, "how many connections there may be; one more is closed at once")
	s.IntVar(&f.maxMessageKB, "max-message-kb", transport.DefaultMaxMessageBytes>>10,
		"size of the largest message that is read, in KiB; a larger one fails its stream")
	s.DurationVar(&f.firstMessage, "first-message-timeout", transport.DefaultFirstMessage,
		"how long a stream may be open before its first request headers; then it is ended, without an error")
	s.DurationVar(&f.maxConnectionAge, "max-connection-age", 0,
		"age at which a connection is asked to end, for clients to spread anew; 0s: none")
	s.DurationVar(&f.drainDelay, "drain-delay", 0, "how long to go on serving after SIGTERM, with health NOT_SERVING")

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
			log.Warn("--pprof: whoever reaches --admin sees the process from inside and can slow it down; let it listen on 127.0.0.1 or a Unix socket", "admin", f.admin)
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

// fail returns err as a failure, nil as nil. Who reads the log as JSON finds it
// there, and people find it in plain text.
func (f *serveFlags) fail(stderr io.Writer, log *slog.Logger, err error) error {
	re, isRules := errors.AsType[*rulesError](err)
	switch isJSON := f.logFormat == "json"; {
	case err == nil:
		return nil
	case isRules && isJSON:
		log.Error("the rules file is refused, and there are no good rules to go on with", "file", f.rulesFile, "problems", len(re.problems))
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

// buildInfo is a metric that says which tagproc runs.
func buildInfo() prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "tagproc_build_info",
		Help:        "1, with the version of tagproc and of Go.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}
