package main

import (
	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/istio/gateway"
)

func newRenderTelemetryCommand() *cobra.Command {
	var (
		flags rulesFlags
		out   rendered
		file  string
		o     gateway.TelemetryOptions
	)
	cmd := &cobra.Command{
		Use:   "telemetry --rules FILE",
		Short: "Have the traces of a gateway say what tagproc decided: the Telemetry",
		Long: `Print the Telemetry that adds tags to the spans of a gateway of Istio: the digest of
the rules, the outcome, and for each rule the tag, the bucket and the reason. tagproc
needs --metadata; there is no id of a user among them.

--provider names one of meshConfig.extensionProviders. Without it the gateway traces
where meshConfig.defaultProviders say. FILE may be -, standard input.`,
		Example: `  tagproc render telemetry --rules rules.yaml | kubectl apply -f -
  tagproc render telemetry --rules rules.yaml --provider otel --gateway istio=ingressgateway`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := usableRules(cmd, &flags, file, exitProblems)
			if err != nil {
				return err
			}
			object, err := gateway.Telemetry(t, o)
			if err != nil {
				return fail(inFile(file, err))
			}
			return out.write(cmd, args, object)
		},
	}
	addRulesFileFlag(cmd, &file)
	f := cmd.Flags()
	f.StringVar(&o.Name, "name", "tagproc", "name of the Telemetry")
	f.StringVar(&o.Namespace, "namespace", "istio-system", "namespace of the gateway's pods")
	f.StringSliceVar(&o.Gateway, "gateway", []string{"istio=ingressgateway"}, "label of the gateway's pods, `KEY=VALUE`; repeatable: pods that have all of them")
	f.StringVar(&o.Provider, "provider", "", "`NAME` of an extension provider of the mesh, an OpenTelemetry collector (default: the mesh's own)")
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check, out.check, o.Check)
	return cmd
}
