package main

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/gateway"
)

func newRenderEnvoyCommand() *cobra.Command {
	var (
		flags    rulesFlags
		file     string
		dataPath string
		log      string
		o        gateway.Standalone
	)
	cmd := &cobra.Command{
		Use:   "envoy --rules FILE --default HOST:PORT",
		Short: "Make a standalone Envoy that asks tagproc and routes by its tags",
		Long: `Print the configuration of an Envoy that no control plane configures: a listener
that asks tagproc for the tags of each request, removes tags that clients forge, and
sends each request where its tag leads; with the reason of each line that matters.

--route says where a tag leads: TAG=HOST:PORT, or TAG_HEADER=TAG=HOST:PORT where
several tag headers have the tag. Where a request has several tags, the first --route
that takes one of them wins. --default is where all other requests go: those without a
tag, and all while tagproc is down. HOST may be a name, which stands for all its
addresses; unix:///PATH is an address too. With several addresses of tagproc, a request
that one of them loses is tried at another.

--data-path lua makes the rules a program in Envoy: there is no tagproc to run, and an
edit of the rules is a new render. What Lua cannot decide is refused.

--filters-only prints the parts that concern tagproc alone, for a configuration that
is there and has routes. Without --fail-closed requests that tagproc does not answer
pass untagged. FILE may be -, standard input.`,
		Example: `  tagproc render envoy --rules rules.yaml --route s2=127.0.0.1:8082 --default 127.0.0.1:8081 > envoy.yaml
  tagproc render envoy --rules rules.yaml --route appver-a=v2=app-v2:80 --default app:80 --listen 0.0.0.0:80 --address tagproc:9002
  tagproc render envoy --rules rules.yaml --filters-only --address unix:///run/tagproc/tagproc.sock`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := usableRules(cmd, &flags, file, exitProblems)
			if err != nil {
				return err
			}
			if err := o.Check(t); err != nil {
				return err
			}
			tree, err := gateway.Config(t, o)
			if err != nil {
				return fail(inFile(file, err))
			}
			for _, w := range append(gateway.Warnings(t, o.DataPath), o.Unrouted(t)...) {
				stderr(cmd).Printf("%s: warning: %s\n", file, w)
			}
			var out bytes.Buffer
			out.WriteString(origin(cmd, args))
			if err := tree.Write(&out, o.Purpose(word(file))); err != nil {
				return fail(err)
			}
			return fail(stdout(cmd).Document(out.Bytes()))
		},
	}
	addRulesFileFlag(cmd, &file)
	f := cmd.Flags()
	f.StringArrayVar(&o.Routes, "route", nil, "where a tag leads, `TAG=HOST:PORT` or TAG_HEADER=TAG=HOST:PORT; repeatable")
	f.StringVar(&o.Default, "default", "", "`HOST:PORT` of the requests that no --route takes (required, without --filters-only)")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:10000", "`ADDRESS` at which clients come in: IP:PORT or unix:///PATH")
	f.StringSliceVar(&o.Address, "address", []string{contract.DefaultListen}, "`ADDRESS` at which Envoy reaches tagproc: HOST:PORT or unix:///PATH; repeatable, for replicas")
	f.StringVar(&o.TLS.CA, "tls-ca", "", "`FILE` with the authority of tagproc's certificate, as Envoy finds it: asks tagproc over TLS")
	f.StringVar(&o.TLS.Name, "tls-name", "", "`NAME` in tagproc's certificate (default: the host of --address)")
	f.StringVar(&o.TLS.Certificate, "tls-cert", "", "`FILE` with the certificate that Envoy shows tagproc")
	f.StringVar(&o.TLS.Key, "tls-key", "", "`FILE` with the key of --tls-cert")
	f.StringVar(&o.Tracing, "tracing", "", "`HOST:PORT` of a collector of OpenTelemetry (OTLP over gRPC): traces each request, with what tagproc decided")
	f.BoolVar(&o.FiltersOnly, "filters-only", false, "print the parts that concern tagproc, without listener, routes and log")
	f.StringVar(&dataPath, "data-path", string(gateway.ExtProc), "what decides: `ext_proc|lua`, tagproc or the rules as a program in Envoy")
	f.StringVar(&log, "access-log", "text", "form of the access log: `text|json`; verify --access-log reads json")
	f.BoolVar(&o.FailClosed, "fail-closed", false, "answer 500 or 504 to a request that tagproc does not answer, instead of letting it pass untagged")
	f.BoolVar(&o.StripClientBaggage, "strip-client-baggage", false, "remove the header baggage that clients send, so that forged tags in it choose no route even while tagproc is down")
	f.DurationVar(&o.Timeout, "timeout", envoyfilter.ExtProcTimeout, "how long a request waits for tagproc")
	flags.addTo(cmd)
	completeWith(cmd, "data-path", string(gateway.ExtProc), string(gateway.Lua))
	completeWith(cmd, "access-log", "text", "json")
	check(cmd, flags.check, func() error {
		if log != "text" && log != "json" {
			return fmt.Errorf("--access-log %q: expected text or json", log)
		}
		o.JSONLog = log == "json"
		o.DataPath = gateway.DataPath(dataPath)
		return nil // with the rules: everything that is wrong is told at once
	})
	return cmd
}
