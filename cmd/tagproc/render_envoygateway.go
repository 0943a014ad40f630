package main

import (
	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/envoygateway"
	"github.com/tagproc/tagproc/istio/envoyfilter"
)

func newRenderEnvoyGatewayCommand() *cobra.Command {
	var (
		flags rulesFlags
		out   rendered
		file  string
		o     envoygateway.Options
	)
	cmd := &cobra.Command{
		Use:   "envoygateway --rules FILE --gateway NAMESPACE/NAME --service SERVICE.NAMESPACE:PORT",
		Short: "Make a Gateway of Envoy Gateway ask tagproc",
		Long: `Print the resources of Envoy Gateway that make a Gateway ask tagproc: an
EnvoyExtensionPolicy, and a ClientTrafficPolicy that removes tags that clients forge;
a ReferenceGrant where the Service is in another namespace, a BackendTLSPolicy with
--tls-ca, and a Backend for a Unix socket. They depend on tagHeaders, propagation,
trustClientTags and visitors' cookies. After an edit of these, render them again.

Envoy Gateway has no words for some bounds that an EnvoyFilter sets: what is printed
says which. Routes are HTTPRoutes of your own that match the tag header, with a rule
without a tag for each host: a request takes that one first.

FILE may be -, standard input.`,
		Example: `  tagproc render envoygateway --rules rules.yaml --gateway default/shop --service tagproc.tagproc:9002 | kubectl apply -f -
  tagproc render envoygateway --rules rules.yaml --gateway default/shop --service unix:///run/tagproc/tagproc.sock`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := usableRules(cmd, &flags, file, exitProblems)
			if err != nil {
				return err
			}
			objects, err := envoygateway.Resources(t, o)
			if err != nil {
				return fail(inFile(file, err))
			}
			for _, w := range envoygateway.Warnings(t) {
				stderr(cmd).Printf("%s: warning: %s\n", file, w)
			}
			return out.write(cmd, args, objects...)
		},
	}
	addRulesFileFlag(cmd, &file)
	f := cmd.Flags()
	f.StringVar(&o.Gateway, "gateway", "", "`NAMESPACE/NAME` of the Gateway (required)")
	f.StringVar(&o.Service, "service", "", "`ADDRESS` of tagproc: SERVICE.NAMESPACE:PORT, or unix:///PATH (required)")
	f.StringVar(&o.Name, "name", "tagproc", "name of the resources")
	f.StringVar(&o.CA, "tls-ca", "", "`CONFIGMAP` with the authority of tagproc's certificate, beside the Service: asks tagproc over TLS")
	f.StringVar(&o.TLSName, "tls-name", "", "`NAME` in tagproc's certificate (default: SERVICE.NAMESPACE.svc)")
	f.BoolVar(&o.FailClosed, "fail-closed", false, "answer 500 or 504 to a request that tagproc does not answer, instead of letting it pass untagged")
	f.BoolVar(&o.StripClientBaggage, "strip-client-baggage", false, "remove the header baggage that clients send, so that forged tags in it choose no route even while tagproc is down")
	f.DurationVar(&o.Timeout, "timeout", envoyfilter.ExtProcTimeout, "how long a request waits for tagproc")
	must(cmd.MarkFlagRequired("gateway"))
	must(cmd.MarkFlagRequired("service"))
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check, out.check, o.Check)
	return cmd
}
