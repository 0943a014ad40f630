package main

import (
	"github.com/spf13/cobra"
)

func newRenderCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Make the resources of Istio that belong to the rules",
		Long: `Print resources of Istio as YAML, to be kept and applied like any other manifest.
Equal input gives equal bytes, and a comment at each line that matters says why
it is there. Nothing is asked of a cluster, and nothing is applied.`,
		Example: `  tagproc render envoyfilter --rules rules.yaml                       # what the gateway needs to ask tagproc
  tagproc render envoyfilter --rules rules.yaml | kubectl apply -f -
  tagproc render lanes lanes.yaml                                     # where tags lead to
  tagproc render propagation rules.yaml                               # sidecars carry tags along, in baggage
  tagproc render recompute --rules rules.yaml                         # sidecars derive tags again`,
		Args: subcommandOnly,
		RunE: help,
	}
	cmd.AddCommand(newRenderEnvoyFilterCommand(), newRenderLanesCommand(), newRenderPropagationCommand(), newRenderRecomputeCommand())
	return cmd
}
