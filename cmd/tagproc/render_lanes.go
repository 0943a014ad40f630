package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/lanes"
	"github.com/tagproc/tagproc/istio/manifest"
)

// What routes are.
const (
	virtualServices = "virtualservice"
	httpRoutes      = "httproute"
)

func newRenderLanesCommand() *cobra.Command {
	var (
		out      rendered
		resource bool
		selector []string
		routes   string
		o        lanes.Options
	)
	cmd := &cobra.Command{
		Use:   "lanes FILE...",
		Short: "Make lanes: DestinationRules and VirtualServices",
		Long: `Print the Istio resources of a lane group: for each service a DestinationRule with
a subset for each lane, and a VirtualService that follows the tag inside the mesh;
for the gateway a VirtualService with named users first, then tags, then the
baseline. A lane without a service falls back to the baseline by an explicit route.

The files have unchanged ASMSwimLaneGroups and ASMSwimLanes, or lanes files, a
shorter form of the same (docs/lanes.md). With Services beside them, the routes of
the gateway name their ports; with the rules beside them (bare or in a manifest), a
tag that names no lane is a warning. All may be in one file or in several, in any
order. FILE may be -, standard input.

--routes httproute makes resources of the Gateway API instead, for ambient mode and
others that have no VirtualServices: a Service for each lane, whose ports and selector
come from the Services, which have to be beside the lanes; HTTPRoutes for the mesh and
for the gateway. Users reach the same lanes.

Fields without an effect are warnings on standard error, with their places; notes
say what else to know. The exit code is 0 if the lanes are rendered, 1 if a file is
refused, and 2 if the command is not understood.`,
		Example: `  tagproc render lanes lanes.yaml
  tagproc render lanes lanes.yaml services.yaml rules.yaml --output-dir manifests/
  kubectl get asmswimlanegroup,asmswimlane -o yaml | tagproc render lanes -     # what ASM has
  tagproc render lanes --gateway-resource lanes.yaml                            # and the Gateway
  tagproc render lanes --routes httproute lanes.yaml services.yaml              # for the Gateway API`,
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return errors.New("expected the names of files with lanes, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			docs, problems := readDocuments(cmd, files)
			if problems.Err() != nil {
				writeProblems(stderr(cmd), problems)
				return &failure{}
			}
			groups, notes, problems := lanes.Read(docs)
			writeProblems(stderr(cmd), problems)
			for _, n := range notes {
				stderr(cmd).Printf("%s\n", n)
			}
			if groups == nil {
				return &failure{}
			}
			var objects []*manifest.Object
			for _, g := range groups {
				if routes == virtualServices {
					objects = append(objects, lanes.Render(g, o)...)
					continue
				}
				of, err := lanes.HTTPRoutes(g, docs, resource)
				if err != nil {
					return fail(err)
				}
				objects = append(objects, of...)
			}
			return out.write(cmd, files, objects...)
		},
		ValidArgsFunction: completeManifests,
	}
	f := cmd.Flags()
	f.StringVar(&routes, "routes", virtualServices, "what routes are: `virtualservice|httproute`, of Istio or of the Gateway API")
	f.BoolVar(&resource, "gateway-resource", false, "make the Gateway too, on port 80, instead of referring to an existing one")
	f.StringSliceVar(&selector, "gateway", []string{"istio=ingressgateway"}, "with --gateway-resource: label of the gateway's pods, `KEY=VALUE`; repeatable")
	out.addTo(cmd)
	completeWith(cmd, "routes", virtualServices, httpRoutes)
	check(cmd, out.check, func() error {
		switch {
		case routes != virtualServices && routes != httpRoutes:
			return fmt.Errorf("--routes %q: expected %s or %s", routes, virtualServices, httpRoutes)
		case routes == httpRoutes && cmd.Flags().Changed("gateway"):
			return errors.New("--gateway has no effect with --routes httproute: Istio makes the pods of a Gateway of the Gateway API")
		case routes == httpRoutes:
		case resource:
			labels, wrong := envoyfilter.ParseLabels("--gateway", "the gateway's pods", selector)
			o.GatewaySelector = labels
			return errors.Join(wrong...)
		case cmd.Flags().Changed("gateway"):
			return errors.New("--gateway has no effect without --gateway-resource: the lanes name the Gateway, and the Gateway its pods")
		}
		return nil
	})
	return cmd
}
