package main

import (
	"github.com/spf13/cobra"
)

func newRenderCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Make the Istio resources that the rules need",
		Long: `Print Istio resources as YAML, to keep and apply like any other manifest. Equal
input gives equal bytes, and comments say why each important line is there. render
neither asks a cluster nor applies anything.`,
		Example: `  tagproc render envoyfilter --rules rules.yaml                       # what the gateway needs to ask tagproc
  tagproc render envoyfilter --rules rules.yaml | kubectl apply -f -
  tagproc render lanes lanes.yaml                                     # where tags lead
  tagproc render propagation rules.yaml                               # sidecars carry tags along, in baggage
  tagproc render recompute --rules rules.yaml                         # sidecars derive tags again`,
		Args: subcommandOnly,
		RunE: help,
	}
	cmd.AddCommand(newRenderEnvoyFilterCommand(), newRenderLanesCommand(), newRenderPropagationCommand(), newRenderRecomputeCommand())
	return cmd
}
