package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
)

func newServeCommand() *cobra.Command {
	var (
		flags               rulesFlags
		o                   serverOptions
		logFormat, logLevel string
		maxHeaderKB         int
	)
	cmd := &cobra.Command{
		Use:   "serve --rules FILE",
		Short: "Answer Envoy by a rules file, which is kept current",
		Long: `Serve Envoy's external processing protocol (envoy.service.ext_proc.v3) by the
rules of a file, until SIGTERM, SIGINT or SIGHUP. A second signal ends it at once.

An edit of the file is live within about a second. A file that cannot be used
changes nothing: the last good rules stay live, and metrics and log say so. Only
at the start, when there are no good rules yet, it is an error.`,
		Example: `  tagproc serve --rules rules.yaml
  tagproc serve --rules /etc/tagproc/rules.yaml --listen unix:///run/tagproc.sock --listen 0.0.0.0:9002
  tagproc serve --rules rules.yaml --log-format json --drain-delay 10s`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.log, err = newLogger(cmd.ErrOrStderr(), logFormat, logLevel); err != nil {
				return err
			}
			if o.limits.MaxHeaders < 1 || maxHeaderKB < 1 || o.drainDelay < 0 {
				return errors.New("--max-request-headers and --max-request-headers-kb are at least 1, and --drain-delay is not negative")
			}
			o.rules = flags.options()
			o.limits.MaxHeaderBytes = maxHeaderKB << 10
			limitMemory(o.log, memlimit.FromCgroup)
			s, err := newServer(cmd.Context(), o)
			if re, ok := errors.AsType[*rulesError](err); ok {
				writeProblems(cmd.ErrOrStderr(), re.problems)
				return &failure{}
			}
			if err != nil {
				return fail(err)
			}
			return fail(s.run(cmd.Context()))
		},
	}
	addRulesFileFlag(cmd, &o.rulesFile)
	f := cmd.Flags()
	f.StringArrayVar(&o.listen, "listen", []string{"127.0.0.1:9002"}, "where Envoy connects: `HOST:PORT` or unix:///PATH; repeatable")
	f.StringVar(&o.admin, "admin", "127.0.0.1:9090", "where /healthz, /readyz and /metrics are: `HOST:PORT` or unix:///PATH; empty: none")
	f.DurationVar(&o.drainDelay, "drain-delay", 0, "how long to go on serving after SIGTERM, with health NOT_SERVING")
	f.StringVar(&logFormat, "log-format", "text", "`text|json`")
	f.StringVar(&logLevel, "log-level", "info", "`debug|info|warn|error`")
	f.IntVar(&o.limits.MaxHeaders, "max-request-headers", 100,
		"the gateway's max_headers_count: no tag takes a request over it")
	f.IntVar(&maxHeaderKB, "max-request-headers-kb", 60, "the gateway's max_request_headers_kb, likewise")
	flags.addTo(cmd)
	return cmd
}

func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: expected debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
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
