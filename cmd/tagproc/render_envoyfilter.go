package main

import (
	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/gateway"
)

func newRenderEnvoyFilterCommand() *cobra.Command {
	var (
		flags    rulesFlags
		out      rendered
		file     string
		phase    string
		dataPath string
		as       asFlag
		o        gateway.Options
	)
	cmd := &cobra.Command{
		Use:   "envoyfilter --rules FILE",
		Short: "Make a gateway ask tagproc: the EnvoyFilter",
		Long: `Print the EnvoyFilter that makes a gateway of Istio ask tagproc: the ext_proc
filter, what it forwards to tagproc and what it accepts in return, the early
removal of tags that clients forge, and the header limits. It depends on
tagHeaders, propagation and trustClientTags, and on what the rules look at: keys,
and hosts, paths and headers of a match; visitors' cookies; or forwarded, if it is
declared. After an edit of these, render it again. An edit of ranges or users
changes nothing here.

--address is a socket in the gateway's pod, or a Service. A Service is reached
through Istio's own cluster, with its endpoints and mTLS, and a stream that a dying
replica loses is tried once at another one.

--phase says when the gateway asks tagproc. router: after authentication, so that
a key may be a header that RequestAuthentication sets from a verified token; fault
injection and CORS run earlier and use the route chosen without the tag. authn:
first, where a WasmPlugin of the phase AUTHN runs; a key is what the client sent.

--data-path lua makes the rules a program in the gateway: there is no tagproc to run,
and an edit of the rules is a new render. What Lua cannot decide is refused. With
--as trafficextension it is a TrafficExtension of Istio 1.30 and newer instead of an
EnvoyFilter; its comment says what that cannot say.

An EnvoyFilter selects one gateway: for another, run this again with another
--gateway and --name. --target names a Gateway of the Gateway API, whose pods Istio
makes: gateway/NAME, or waypoint/NAME for a waypoint of ambient mode, before the
Services that use it. FILE may be -, standard input.`,
		Example: `  tagproc render envoyfilter --rules rules.yaml                                           # tagproc in the gateway's pod
  tagproc render envoyfilter --rules rules.yaml --address tagproc.istio-system:9002       # a Service
  tagproc render envoyfilter --rules rules.yaml --gateway app=shop-gateway --namespace shop --output-dir manifests/
  tagproc render envoyfilter --rules rules.yaml --target gateway/shop --namespace shop --address tagproc.istio-system:9002
  tagproc render envoyfilter --rules hash-tagging.yaml --tag-header x-asm-prefer-tag --phase authn
  tagproc render envoyfilter --rules rules.yaml --data-path lua --as trafficextension`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := usableRules(cmd, &flags, file, exitProblems)
			if err != nil {
				return err
			}
			render := gateway.EnvoyFilter
			if as.extension() {
				render = gateway.TrafficExtension
			}
			object, err := render(t, o)
			if err != nil {
				return fail(inFile(file, err))
			}
			for _, w := range gateway.Warnings(t, o.DataPath) {
				stderr(cmd).Printf("%s: warning: %s\n", file, w)
			}
			return out.write(cmd, args, object)
		},
	}
	addRulesFileFlag(cmd, &file)
	f := cmd.Flags()
	f.StringSliceVar(&o.Gateway, "gateway", []string{"istio=ingressgateway"}, "label of the gateway's pods, `KEY=VALUE`; repeatable: pods that have all of them")
	f.StringVar(&o.Target, "target", "", "instead of --gateway: `gateway/NAME|waypoint/NAME`, a Gateway of the Gateway API")
	f.StringVar(&o.Namespace, "namespace", "istio-system", "namespace of the gateway's pods")
	f.StringVar(&o.Name, "name", "tagproc", "name of the EnvoyFilter")
	f.StringVar(&o.Address, "address", "unix:///run/tagproc/tagproc.sock", "`ADDRESS` at which the gateway reaches tagproc: unix:///PATH, or SERVICE.NAMESPACE:PORT")
	f.StringVar(&phase, "phase", string(gateway.PhaseRouter), "when the gateway asks tagproc: `router|authn`, before the router or before authentication")
	f.StringVar(&dataPath, "data-path", string(gateway.ExtProc), "what decides: `ext_proc|lua`, tagproc or the rules as a program in Envoy")
	f.BoolVar(&o.FailClosed, "fail-closed", false, "answer 500 or 504 to a request that tagproc does not answer, instead of letting it pass untagged")
	f.BoolVar(&o.StripClientBaggage, "strip-client-baggage", false, "remove the header baggage that clients send, so that forged tags in it choose no route even while tagproc is down")
	f.DurationVar(&o.Timeout, "timeout", envoyfilter.ExtProcTimeout, "how long a request waits for tagproc")
	as.addTo(cmd)
	flags.addTo(cmd)
	out.addTo(cmd)
	completeWith(cmd, "data-path", string(gateway.ExtProc), string(gateway.Lua))
	completeWith(cmd, "phase", string(gateway.PhaseRouter), string(gateway.PhaseAuthn))
	check(cmd, flags.check, out.check, as.check, func() error {
		o.Phase, o.DataPath = gateway.Phase(phase), gateway.DataPath(dataPath)
		if o.Target != "" && !cmd.Flags().Changed("gateway") {
			o.Gateway = nil // the default
		}
		return o.Check()
	})
	return cmd
}
