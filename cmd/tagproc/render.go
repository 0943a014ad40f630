package main

import (
	"github.com/spf13/cobra"
)

func newRenderCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Make the configurations of Envoy, Istio and Envoy Gateway that the rules need",
		Long: `Print resources of Istio or Envoy Gateway as YAML, to keep and apply like any other manifest, or the
configuration of an Envoy of your own. Equal input gives equal bytes, and comments say
why each important line is there. render neither asks a cluster nor applies anything.`,
		Example: `  tagproc render envoy --rules rules.yaml --route s2=127.0.0.1:8082 --default 127.0.0.1:8081 > envoy.yaml
  tagproc render envoyfilter --rules rules.yaml                       # what the gateway needs to ask tagproc
  tagproc render envoyfilter --rules rules.yaml | kubectl apply -f -
  tagproc render envoygateway --rules rules.yaml --gateway default/shop --service tagproc.tagproc:9002
  tagproc render lanes lanes.yaml                                     # where tags lead
  tagproc render propagation rules.yaml                               # sidecars carry tags along, in baggage
  tagproc render recompute --rules rules.yaml                         # sidecars derive tags again
  tagproc render telemetry --rules rules.yaml                         # traces say what was decided`,
		Args: subcommandOnly,
		RunE: help,
	}
	cmd.AddCommand(newRenderEnvoyCommand(), newRenderEnvoyFilterCommand(), newRenderEnvoyGatewayCommand(), newRenderLanesCommand(), newRenderPropagationCommand(), newRenderRecomputeCommand(), newRenderTelemetryCommand())
	return cmd
}
